/** A Markdown file, taken apart. */

/** A fenced block, without the indentation of the list that it is in. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

export interface Section {
  readonly title: string;
  /** All that stands below the title, up to the next one of the same level or a higher one. */
  readonly text: string;
}

export interface Markdown {
  readonly blocks: readonly Block[];
  /** What stands in backticks outside of blocks. */
  readonly inline: readonly string[];
  readonly links: readonly string[];
  /** Without blocks and links' targets. */
  readonly prose: string;
  readonly sections: readonly Section[];
}

export function readMarkdown(text: string): Markdown {
  const blocks: Block[] = [];
  const rest = text.replace(/^( *)```(\w*)\n(.*?)\n *```$/gms, (_, indent: string, language: string, body: string) => {
    blocks.push({ language, text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), '') });
    return '';
  });
  const titles = [...text.matchAll(/^(#+) (.*)$/gm)];
  return {
    blocks,
    inline: [...rest.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? ''),
    links: [...rest.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1] ?? ''),
    prose: rest.replaceAll(/\]\([^)]+\)/g, ']'),
    sections: titles.map((match, index) => {
      const [, marks = '', title = ''] = match;
      const end = titles.slice(index + 1).find((other) => (other[1] ?? '').length <= marks.length);
      return { title, text: text.slice(match.index, end?.index) };
    }),
  };
}

/** The anchor of a title, as GitHub makes it. */
export function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}
