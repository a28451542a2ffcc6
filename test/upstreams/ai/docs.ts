/** Development only. Answers questions from a Markdown text by word overlap: modest, offline, and the same every time. */

/** Answers a question, or gives undefined where the text has nothing to say about it. */
export type AnswerFromDocs = (question: string) => string | undefined;

/** A paragraph or a row of a table. */
interface Block {
  text: string;
  words: Set<string>;
}

interface Section {
  heading: string;
  headingWords: Set<string>;
  blocks: Block[];
}

const maxAnswerLength = 600;
/** Words that say nothing about the subject of a question. */
const fillers = new Set(
  (
    'about and any are but can could does for from get had has have how into its make may more not our out please ' +
    'say she should some tell than that the their them then there these they this those use was were what when ' +
    'where which who why will with would you your'
  ).split(' '),
);

/** Prepares a Markdown text for questions, with the first of them. */
export function createDocs(markdown: string): AnswerFromDocs {
  let sections: readonly Section[] | undefined;
  return (question) => {
    sections ??= splitByHeadings(markdown);
    const asked = wordsOf(question);
    let best = { answer: undefined as string | undefined, score: 0 };
    for (const section of sections) {
      const { start, score } = rate(section, asked);
      if (score > best.score) best = { answer: excerpt(section, start), score };
    }
    return best.answer;
  };
}

function splitByHeadings(markdown: string): Section[] {
  const chunks: { heading: string; lines: string[] }[] = [{ heading: '', lines: [] }];
  let fence: string | undefined;
  for (const line of markdown.replaceAll(/<!--.*?-->/gs, '').split(/\r?\n/)) {
    const mark = /^\s*(?:```|~~~)(.*)$/.exec(line)?.[1];
    if (mark !== undefined) fence = fence === undefined ? mark : undefined;
    // In code, a line that begins with # is a comment.
    const heading = fence === undefined ? /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1] : undefined;
    if (heading !== undefined) chunks.push({ heading, lines: [] });
    // The source of a diagram answers nothing.
    else if (mark === undefined && fence !== 'mermaid') chunks.at(-1)?.lines.push(line);
  }
  return chunks.map(({ heading, lines }) => ({
    heading,
    headingWords: wordsOf(heading),
    blocks: splitIntoBlocks(lines).map((text) => ({ text, words: wordsOf(text) })),
  }));
}

function splitIntoBlocks(lines: readonly string[]): string[] {
  const plain = lines.map((line) => {
    if (!/^\s*\|.*\|\s*$/.test(line)) return line;
    if (/^[\s|:-]+$/.test(line)) return '';
    const cells = line.split('|').map((cell) => cell.trim());
    // A row of a table stands for itself, as a paragraph does.
    return `\n${cells.filter((cell) => cell !== '').join(' – ')}\n`;
  });
  const paragraphs = plain.join('\n').split(/\n\s*\n/);
  return paragraphs.map((paragraph) => paragraph.trim()).filter((paragraph) => paragraph !== '');
}

/** How well a section fits, and from which block on: its heading counts most, then its best block, then the rest. */
function rate({ headingWords, blocks }: Section, asked: Set<string>): { start: number; score: number } {
  const scores = blocks.map(({ words }) => overlap(words, asked));
  const top = Math.max(0, ...scores);
  const inHeading = overlap(headingWords, asked);
  const all = new Set(blocks.flatMap(({ words }) => [...words]));
  const score = blocks.length === 0 ? 0 : 4 * inHeading + 2 * top + overlap(all, asked);
  // A block that says no more than the heading is no reason to skip those before it.
  return { start: top > inHeading ? scores.indexOf(top) : 0, score };
}

function overlap(words: Set<string>, asked: Set<string>): number {
  return [...asked].filter((word) => words.has(word)).length;
}

/** The whole section where it is short; otherwise as much of it as fits, beginning with its best block. */
function excerpt({ heading, blocks }: Section, start: number): string {
  const headed = (from: number) => [heading, ...blocks.slice(from).map(({ text }) => text)].join('\n\n').trim();
  const whole = headed(0);
  if (whole.length <= maxAnswerLength) return whole;
  const text = headed(start);
  if (text.length <= maxAnswerLength) return text;
  const cut = text.slice(0, maxAnswerLength);
  return `${cut.slice(0, cut.lastIndexOf(' '))} …`;
}

function wordsOf(text: string): Set<string> {
  // A name such as REQUEST_TIMEOUT counts as a whole and by its parts.
  const names = text.toLowerCase().match(/[\p{L}\p{N}_]{3,}/gu) ?? [];
  const words = names.flatMap((name) => (name.includes('_') ? [name, ...name.split('_')] : [name]));
  // Plural and singular are the same word here.
  return new Set(words.filter((word) => !fillers.has(word)).map((word) => word.replace(/(?<=\w{3})s$/, '')));
}
