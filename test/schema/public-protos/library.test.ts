import { rpcsIn, rpcsOf, type Backend } from './backend';
import { startFront, type Form, type Front } from './front';
import { libraryProto, startLibraryService } from './library-service';

/** Reading protos takes a while where the machine is busy with other tests. */
jest.setTimeout(30_000);

const forms: readonly Form[] = ['files', 'a descriptor set'];

describe.each(forms)('the library API, by its proto as %s', (form) => {
  let library: Backend;
  let front: Front;
  beforeAll(async () => {
    library = await startLibraryService();
    front = await startFront({ name: 'library', proto: libraryProto, backend: library, form });
  });
  afterAll(() => front.close());
  beforeEach(() => library.reset());

  async function createShelf(theme: string): Promise<string> {
    const { createShelf: shelf } = await front.data(
      'mutation ($theme: String!) { createShelf(theme: $theme) { name theme } }',
      { theme },
    );
    expect(shelf).toEqual({ name: expect.stringMatching(/^shelves\/\d+$/), theme });
    return shelf.name;
  }

  async function createBook(shelf: string, title: string): Promise<string> {
    const { createBook: book } = await front.data(
      `mutation ($shelf: ID!, $input: NewBookInput!) { createBook(shelf: $shelf, input: $input) { name author title read } }`,
      { shelf, input: { title, author: 'Ann' } },
    );
    expect(book).toEqual({ name: expect.stringContaining(`${shelf}/books/`), author: 'Ann', title, read: false });
    return book.name;
  }

  test('shelves are made, found and deleted', async () => {
    const name = await createShelf('Poems');
    expect(library.requests('CreateShelf')).toEqual([{ shelf: { theme: 'Poems' } }]);
    const find = () => front.graphql('query ($name: ID!) { shelf(name: $name) { name theme } }', { name });
    expect((await find()).data).toEqual({ shelf: { name, theme: 'Poems' } });
    expect(await front.data('mutation ($name: ID!) { deleteShelf(name: $name) }', { name })).toEqual({
      deleteShelf: true,
    });
    expect(await find()).toMatchObject({ data: { shelf: null }, errors: [{ extensions: { code: 'NOT_FOUND' } }] });
  });

  test('whoever may not delete shelves does not', async () => {
    const name = await createShelf('Letters');
    const query = 'mutation ($name: ID!) { deleteShelf(name: $name) }';
    const { errors } = await front.graphql(query, { name }, front.memberToken);
    expect(errors?.map(({ extensions }) => extensions['code'])).toEqual(['FORBIDDEN']);
    expect(library.requests('DeleteShelf')).toEqual([]);
    const anonymous = await front.graphql(
      'query ($name: ID!) { shelf(name: $name) { theme books { nodes { name } } } }',
      { name },
      null,
    );
    expect(anonymous.data).toEqual({ shelf: { theme: 'Letters', books: null } });
    expect(anonymous.errors?.map(({ extensions }) => extensions['code'])).toEqual(['UNAUTHENTICATED']);
  });

  test('books are paged through, forwards and to the end', async () => {
    const shelf = await createShelf('Novels');
    const names: string[] = [];
    for (const title of ['A', 'B', 'C', 'D', 'E']) names.push(await createBook(shelf, title));
    const query = `query ($shelf: ID!, $after: String) {
      books(shelf: $shelf, first: 2, after: $after) { edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage endCursor } }
    }`;
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const { books } = await front.data(query, { shelf, after });
      expect(books.pageInfo.hasPreviousPage).toBe(after !== null);
      seen.push(...books.edges.map(({ node }: { node: { name: string } }) => node.name));
      after = books.pageInfo.hasNextPage ? books.pageInfo.endCursor : null;
    } while (after !== null);
    expect(seen).toEqual(names);
    expect(library.requests('ListBooks')).toEqual([
      { parent: shelf, page_size: 2 },
      { parent: shelf, page_size: 2, page_token: '2' },
      { parent: shelf, page_size: 2, page_token: '4' },
    ]);
    // From the middle of a page on.
    const { books } = await front.data(query, { shelf });
    const next = await front.data(query, { shelf, after: books.edges[0].cursor });
    expect(next.books.edges.map(({ node }: { node: unknown }) => node)).toEqual([
      { name: names[1] },
      { name: names[2] },
    ]);
  });

  test('shelves are listed with the books on each', async () => {
    const shelf = await createShelf('Plays');
    const book = await createBook(shelf, 'Ubu');
    const { shelves } = await front.data(
      '{ shelves(first: 100) { nodes { name theme books(first: 1) { nodes { name title } } } } }',
    );
    expect(shelves.nodes).toContainEqual({
      name: shelf,
      theme: 'Plays',
      books: { nodes: [{ name: book, title: 'Ubu' }] },
    });
    expect(library.requests('ListShelves')).toEqual([{ page_size: 100 }]);
  });

  describe('a book', () => {
    const updateBook = `mutation ($name: ID!, $input: BookInput!) {
      updateBook(name: $name, input: $input) { name author title read }
    }`;

    test.each([
      [{ title: 'New' }, ['title'], { title: 'New', author: 'Ann', read: false }],
      [{ read: true }, ['read'], { title: 'Old', author: 'Ann', read: true }],
      [{ author: null, read: false }, ['author', 'read'], { title: 'Old', author: '', read: false }],
      [{}, [], { title: 'Old', author: 'Ann', read: false }],
    ])('is changed by %j in exactly that', async (input, paths, expected) => {
      const name = await createBook(await createShelf('Essays'), 'Old');
      expect(await front.data(updateBook, { name, input })).toEqual({ updateBook: { name, ...expected } });
      const [{ book, update_mask: mask }] = library.requests('UpdateBook') as [
        { book: object; update_mask: { paths?: string[] } },
      ];
      expect(mask.paths ?? []).toEqual(paths);
      const given = Object.entries(input).filter(([, value]) => value !== null);
      expect(book).toEqual({ name, ...Object.fromEntries(given) });
    });

    test('that cannot be so says which field is wrong', async () => {
      const name = await createBook(await createShelf('Diaries'), 'Old');
      const { data, errors } = await front.graphql(updateBook, { name, input: { title: '' } });
      expect(data).toEqual({ updateBook: null });
      expect(errors).toMatchObject([
        { extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ description: 'must not be empty' }] } },
      ]);
    });

    test('moves to another shelf, and is deleted', async () => {
      const [from, to] = [await createShelf('From'), await createShelf('To')];
      const name = await createBook(from, 'Odyssey');
      const { moveBook } = await front.data(
        'mutation ($name: ID!, $to: ID!) { moveBook(name: $name, to: $to) { name title } }',
        { name, to },
      );
      expect(library.requests('MoveBook')).toEqual([{ name, other_shelf_name: to }]);
      expect(moveBook).toEqual({ name: expect.stringContaining(`${to}/books/`), title: 'Odyssey' });
      const find = (book: string) => front.graphql('query ($book: ID!) { book(name: $book) { title } }', { book });
      expect(await find(name)).toMatchObject({ data: { book: null }, errors: [{ extensions: { code: 'NOT_FOUND' } }] });
      expect((await find(moveBook.name)).data).toEqual({ book: { title: 'Odyssey' } });
      const remove = 'mutation ($name: ID!) { deleteBook(name: $name) }';
      expect(await front.data(remove, { name: moveBook.name })).toEqual({ deleteBook: true });
      const again = await front.graphql(remove, { name: moveBook.name });
      expect(again.data).toEqual({ deleteBook: null });
      expect(again.errors?.map(({ extensions }) => extensions['code'])).toEqual(['NOT_FOUND']);
    });
  });

  test('shelves are merged', async () => {
    const [into, from] = [await createShelf('Into'), await createShelf('Other')];
    await createBook(into, 'First');
    await createBook(from, 'Second');
    const { mergeShelves } = await front.data(
      'mutation ($into: ID!, $from: ID!) { mergeShelves(into: $into, from: $from) { name books { nodes { title } } } }',
      { into, from },
    );
    expect(mergeShelves).toEqual({ name: into, books: { nodes: [{ title: 'First' }, { title: 'Second' }] } });
    expect(library.requests('MergeShelves')).toEqual([{ name: into, other_shelf: from }]);
  });
});

test('every RPC has a field', () => {
  const fronted = rpcsIn('library');
  const rpcs = rpcsOf(libraryProto, ['google.example.library.v1.LibraryService']);
  expect(rpcs).toHaveLength(11);
  expect(rpcs.filter((rpc) => !fronted.includes(rpc))).toEqual([]);
});
