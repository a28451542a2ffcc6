import { variables, type Variable } from './variables';

/** The README's table of variables, laid out as prettier does it. */
export function configTable(): string {
  const rows = [
    ['Variable', 'Default', 'Meaning'],
    ...Object.values<Variable<unknown>>(variables).map((entry) => [
      `\`${entry.name}\``,
      defaultText(entry),
      entry.description,
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[], fill: string): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0, fill)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head, ' '), line(['', '', ''], '-'), ...body.map((row) => line(row, ' '))].join('\n');
}

function defaultText({ default: preset, without }: Variable<unknown>): string {
  if (preset === undefined) return without ?? '';
  return typeof preset === 'string'
    ? `\`${preset}\``
    : `\`${preset.production}\` in production, else \`${preset.otherwise}\``;
}
