/** Development only. Answers questions from a Markdown text by word overlap: modest, offline, and the same every time. */

/** Answers a question, or gives undefined where the text has nothing to say about it. */
export type AnswerFromDocs = (question: string) => string | undefined;

interface Section {
  heading: string;
  text: string;
  headingWords: Set<string>;
  words: Set<string>;
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

/** Prepares a Markdown text for questions. */
export function createDocs(markdown: string): AnswerFromDocs {
  const sections = splitByHeadings(markdown);
  return (question) => {
    const asked = wordsOf(question);
    const ranked = sections.map((section) => ({ section, score: score(section, asked) }));
    const best = ranked.reduce((a, b) => (b.score > a.score ? b : a), { section: undefined, score: 0 } as Ranked);
    return best.section && trim(best.section);
  };
}

interface Ranked {
  section: Section | undefined;
  score: number;
}

function splitByHeadings(markdown: string): Section[] {
  const chunks: { heading: string; lines: string[] }[] = [{ heading: '', lines: [] }];
  let inCode = false;
  for (const line of markdown.split(/\r?\n/)) {
    if (/^\s*(```|~~~)/.test(line)) inCode = !inCode;
    // In code, a line that begins with # is a comment.
    const heading = inCode ? undefined : /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1];
    if (heading === undefined) chunks.at(-1)?.lines.push(line);
    else chunks.push({ heading, lines: [] });
  }
  return chunks
    .map(({ heading, lines }) => toSection(heading, lines.join('\n').trim()))
    .filter(({ text }) => text !== '');
}

function toSection(heading: string, text: string): Section {
  return { heading, text, headingWords: wordsOf(heading), words: wordsOf(text) };
}

/** Each word of the question counts once in the text, and twice more in the heading. */
function score(section: Section, asked: Set<string>): number {
  let sum = 0;
  for (const word of asked) sum += (section.words.has(word) ? 1 : 0) + (section.headingWords.has(word) ? 2 : 0);
  return sum;
}

function wordsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? [];
  // Plural and singular are the same word here.
  return new Set(words.filter((word) => !fillers.has(word)).map((word) => word.replace(/(?<=\w{3})s$/, '')));
}

function trim({ heading, text }: Section): string {
  const whole = heading === '' ? text : `${heading}\n\n${text}`;
  if (whole.length <= maxAnswerLength) return whole;
  const cut = whole.slice(0, maxAnswerLength);
  return `${cut.slice(0, cut.lastIndexOf(' '))} …`;
}
