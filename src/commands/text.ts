/** Such as `2 findings`, `1 finding` and `no findings`. */
export function count(number: number, what: string): string {
  return `${number === 0 ? 'no' : number} ${what}${number === 1 ? '' : 's'}`;
}
