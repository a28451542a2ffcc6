/** Keeps count of what is compiled of a document: more of it as requests come by what none has come by before. */
export class Memory {
  /** An estimate, on the high side; see the sizes where they are added. */
  bytes = 0;
}
