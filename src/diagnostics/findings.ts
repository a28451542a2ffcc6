import { getLocation, type ASTNode } from 'graphql';

/** Something wrong between SDL, protos and REST routes. */
export interface Finding {
  readonly file: string;
  /** From 1; 0 where the finding is about a whole file. */
  readonly line: number;
  /** From 1; 0 where the finding is about a whole line. */
  readonly column: number;
  /** What is wrong, in one sentence. */
  readonly message: string;
  /** What would mend it. */
  readonly fix?: string;
}

/** Collects findings, so that all of them are told at once. */
export class Findings {
  readonly list: Finding[] = [];

  /** Reports what is wrong at a node of an SDL or REST document. */
  at(node: ASTNode | undefined | null, message: string, fix?: string): void {
    const at = node?.loc ? getLocation(node.loc.source, node.loc.start) : undefined;
    this.in(node?.loc?.source.name ?? 'schema', message, fix, at?.line, at?.column);
  }

  /** Reports what is wrong with a file. */
  in(file: string, message: string, fix?: string, line = 0, column = 0): void {
    const finding = { file, line, column, message, ...(fix === undefined ? {} : { fix }) };
    const same = (other: Finding): boolean =>
      other.file === file && other.line === line && other.column === column && other.message === message;
    if (!this.list.some(same)) this.list.push(finding);
  }

  /** @throws SchemaError where anything was reported. */
  throwIfAny(): void {
    if (this.list.length > 0) throw new SchemaError(this.list);
  }
}

/** `file:line:column: message`, as far as the place is known, and what would mend it on a line of its own. */
export function formatFinding({ file, line, column, message, fix }: Finding): string {
  const place = [file, line, column].filter((part) => part !== 0).join(':');
  return `${place}: ${message}${fix === undefined ? '' : `\n    ${fix}`}`;
}

/** The schema cannot be built; the message lists every finding. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  /** By file and place. */
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    const sorted = byPlace(findings);
    super(`the schema has ${findings.length} problem(s)\n${sorted.map(formatFinding).join('\n')}`);
    this.findings = sorted;
  }
}

/** Findings in the order in which one reads the files. */
export function byPlace(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column);
}
