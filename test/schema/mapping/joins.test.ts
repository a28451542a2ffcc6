import { EventEmitter, once } from 'node:events';
import { status } from '@grpc/grpc-js';
import type { Decoded } from '../../gateway-fixture';
import { RpcError } from '../../upstreams/rpc-error';
import { startLab, type Lab } from './lab';
import type { Answer } from './upstream';

type Book = Record<string, unknown>;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const person = (id: string) => ({ id, name: `the ${id}`, favorite_book_id: `fav-${id}`, mentor_id: `m-${id}` });
const exists = (id: string): boolean => !id.startsWith('missing');
/** Another order, and some things twice: how results come is nothing to rely on. */
const shuffled = <T>(items: readonly T[]): T[] => [...items, ...items.slice(0, 2)].toReversed();

const answers: Record<string, Answer> = {
  'BookService.BatchGetBooks': ({ ids }: { ids: string[] }) => ({
    books: shuffled(ids.filter(exists).map((id) => ({ id, title: `the ${id}`, author_id: `of-${id}` }))),
  }),
  'BookService.ListBooksOfAuthors': ({ author_ids: ids }: { author_ids: string[] }) => ({
    books: ids
      .filter(exists)
      .flatMap((id) => ['a', 'b'].map((book) => ({ id: `${id}-${book}`, author_id: id })))
      .toReversed(),
  }),
  'PeopleService.BatchGetPeople': ({ ids }: { ids: string[] }) => ({
    people: shuffled(ids.filter(exists).map(person)),
  }),
  'PeopleService.GetReviewer': ({ id }: { id: string }) => {
    if (id === '404') throw new RpcError(status.NOT_FOUND, 'no such reviewer');
    return { id, name: `the ${id}` };
  },
  'PeopleService.GetTranslation': ({ tenant_id: tenant, id }: Record<string, string>) => ({
    id,
    language: `${tenant}/${id}`,
  }),
  'PlaceService.BatchGetPublishers': ({ ids }: { ids: string[] }) => ({
    publishers: shuffled(ids.map((id) => ({ id, name: `the ${id}` }))),
  }),
  'PlaceService.BatchGetShelves': ({ tenant_ids: tenants, shelf_ids: ids }: Record<string, string[]>) => ({
    shelves: shuffled(
      (ids ?? []).map((id, index) => ({ id, tenant_id: tenants?.[index], label: `${tenants?.[index]}/${id}` })),
    ),
  }),
  'PlaceService.BatchGetRooms': ({ keys }: { keys: { tenant_id: string; number?: number }[] }) => ({
    rooms: shuffled(keys.map((key) => ({ ...key, name: `${key.tenant_id}/${key.number}` }))),
  }),
  'PlaceService.BatchGetCovers': ({ digests }: { digests: Buffer[] }) => ({
    covers: shuffled(digests.map((digest) => ({ digest, url: digest.toString('hex') }))),
  }),
  'PlaceService.BatchGetAwards': ({ ids }: { ids: { value: string }[] }) => ({
    awards: shuffled(
      ids.filter(({ value }) => exists(value)).map(({ value }) => ({ key: { id: value }, title: `the ${value}` })),
    ),
  }),
};

let lab: Lab;
beforeAll(async () => {
  lab = await startLab(['books', 'people'], { answers });
});
afterAll(() => lab.close());
beforeEach(() => lab.upstreams.reset());

const list = (books: readonly Book[]): void => lab.upstreams.answer('BookService.ListBooks', () => ({ books }));
const calls = (rpc: string): number => lab.upstreams.control.count(rpc);
/** How many keys each call of a look-up took. */
const sizes = (rpc: string, keys = 'ids'): number[] =>
  lab.upstreams.requests(rpc).map((request) => request[keys].length);
const allCalls = (): number =>
  [...Object.keys(answers), 'BookService.ListBooks'].reduce((sum, rpc) => sum + calls(rpc), 0);

describe('a look-up of many', () => {
  test('finds each object by its key, whatever the order; what is missing is null', async () => {
    list([
      { id: 'b0', author_id: 'p2' },
      { id: 'b1', author_id: 'missing1' },
      { id: 'b2', author_id: 'p1' },
      { id: 'b3', author_id: 'p2' },
      { id: 'b4' },
    ]);
    expect(await lab.data('{ books { id author { id name } } }')).toEqual({
      books: [
        { id: 'b0', author: { id: 'p2', name: 'the p2' } },
        { id: 'b1', author: null },
        { id: 'b2', author: { id: 'p1', name: 'the p1' } },
        { id: 'b3', author: { id: 'p2', name: 'the p2' } },
        { id: 'b4', author: null },
      ],
    });
    expect(lab.upstreams.requests('PeopleService.BatchGetPeople')).toEqual([{ ids: ['p2', 'missing1', 'p1'] }]);
  });

  test('what must be there and is not is an error of its field', async () => {
    list([{ author_id: 'p1' }, { author_id: 'missing1' }]);
    const { data, errors } = await lab.graphql('{ books { authorForSure { id } } }');
    expect(data).toBeNull();
    expect(errors).toMatchObject([{ path: ['books', 1, 'authorForSure'], extensions: { code: 'NOT_FOUND' } }]);
  });

  test('nothing to find is no call', async () => {
    list([{ id: 'b', editor_id: {}, imprint: null }]);
    expect(
      await lab.data(
        '{ books { author { id } readers { id } editor { id } translator { id } cover { url } shelf { id } imprint { id } awards { title } rooms { name } } }',
      ),
    ).toEqual({
      books: [
        {
          author: null,
          readers: [],
          editor: null,
          translator: null,
          cover: null,
          shelf: null,
          imprint: null,
          awards: [],
          rooms: [],
        },
      ],
    });
    expect(allCalls()).toBe(1);
  });

  test('is split into calls of the stated maximum', async () => {
    list(numbers(120).map((index) => ({ author_id: `p${index}` })));
    const { books } = await lab.data('{ books { author { id } } }');
    expect(books.map(({ author }: Decoded) => author.id)).toEqual(numbers(120).map((index) => `p${index}`));
    expect(sizes('PeopleService.BatchGetPeople')).toEqual([50, 50, 20]);
  });

  test('a call that fails fails the fields of its keys, and no others', async () => {
    list(
      numbers(120).map((index) => ({
        author_id: `p${index}`,
        publisher_id: index + 1,
        reader_ids: [`p${index}`, 'p0'],
      })),
    );
    lab.upstreams.answer('PeopleService.BatchGetPeople', (request: { ids: string[] }, received) => {
      if (request.ids.includes('p60')) throw new RpcError(status.UNAVAILABLE, 'down');
      return answers['PeopleService.BatchGetPeople']?.(request, received);
    });
    const {
      data,
      errors,
      status: http,
    } = await lab.graphql('{ books { author { id } publisher { id } readers { id } } }');
    expect(http).toBe(200);
    for (const index of numbers(120)) {
      const fails = index >= 50 && index < 100;
      expect(data.books[index]).toEqual({
        author: fails ? null : { id: `p${index}` },
        publisher: { id: String(index + 1) },
        readers: [fails ? null : { id: `p${index}` }, { id: 'p0' }],
      });
    }
    expect(errors).toHaveLength(100);
    expect(errors?.every(({ extensions }) => extensions['code'] === 'SERVICE_UNAVAILABLE')).toBe(true);
    expect(errors?.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        ['books', 50, 'author'],
        ['books', 99, 'readers', 0],
      ]),
    );
  });
});

describe('keys', () => {
  test('of 64 bits keep every digit', async () => {
    const ids = ['18446744073709551615', '18446744073709551614', '9007199254740993', '9007199254740992'];
    list(ids.map((id) => ({ publisher_id: id, imprint: { publisher_id: id } })));
    expect(await lab.data('{ books { publisher { id name } imprint { id } } }')).toEqual({
      books: ids.map((id) => ({ publisher: { id, name: `the ${id}` }, imprint: { id } })),
    });
    expect(lab.upstreams.requests('PlaceService.BatchGetPublishers')).toEqual([{ ids }]);
  });

  test('may be bytes', async () => {
    const digests = [Buffer.from([0xff, 0xfe]), Buffer.from([0xff, 0xfd]), Buffer.from([0])];
    list(digests.map((digest) => ({ cover_digest: digest })));
    expect(await lab.data('{ books { cover { url } } }')).toEqual({
      books: [{ cover: { url: 'fffe' } }, { cover: { url: 'fffd' } }, { cover: { url: '00' } }],
    });
  });

  test('may be wrapped, or optional, on either side', async () => {
    list([
      { editor_id: { value: 'p1' }, translator_id: 'p2', award_ids: ['a1', 'missing', 'a2'] },
      { editor_id: { value: '' }, translator_id: '' },
    ]);
    expect(await lab.data('{ books { editor { id } translator { id } awards { title } } }')).toEqual({
      books: [
        { editor: { id: 'p1' }, translator: { id: 'p2' }, awards: [{ title: 'the a1' }, null, { title: 'the a2' }] },
        { editor: null, translator: null, awards: [] },
      ],
    });
    expect(sizes('PlaceService.BatchGetAwards')).toEqual([3]);
  });

  test('of two parts go as lists side by side, or as a list of messages', async () => {
    list([
      { tenant_id: 'a', shelf_id: 'bc', room_number: 1 },
      { tenant_id: 'ab', shelf_id: 'c', room_number: 1 },
      { tenant_id: 'a', shelf_id: 'bc', room_number: 2 },
      { tenant_id: 'x"],["', shelf_id: 'y', room_number: -1 },
      { tenant_id: '', shelf_id: 'y', room_number: 3 },
    ]);
    expect(await lab.data('{ books { shelf { label } room { name } } }')).toEqual({
      books: [
        { shelf: { label: 'a/bc' }, room: { name: 'a/1' } },
        { shelf: { label: 'ab/c' }, room: { name: 'ab/1' } },
        { shelf: { label: 'a/bc' }, room: { name: 'a/2' } },
        { shelf: { label: 'x"],["/y' }, room: { name: 'x"],["/-1' } },
        { shelf: null, room: null },
      ],
    });
    expect(lab.upstreams.requests('PlaceService.BatchGetShelves')).toEqual([
      { tenant_ids: ['a', 'ab'], shelf_ids: ['bc', 'c'] },
      { tenant_ids: ['x"],["'], shelf_ids: ['y'] },
    ]);
    expect(sizes('PlaceService.BatchGetRooms', 'keys')).toEqual([4]);
  });

  test('of two parts may come as a list of messages', async () => {
    list([
      {
        rooms: [
          { tenant_id: 't', number: 2 },
          { tenant_id: 'u', number: 1 },
        ],
      },
      { rooms: [{ tenant_id: 't', number: 2 }] },
    ]);
    expect(await lab.data('{ books { rooms { name } } }')).toEqual({
      books: [{ rooms: [{ name: 't/2' }, { name: 'u/1' }] }, { rooms: [{ name: 't/2' }] }],
    });
    expect(sizes('PlaceService.BatchGetRooms', 'keys')).toEqual([2]);
  });
});

describe('lists of references', () => {
  test('of all objects are found in one call', async () => {
    list([
      { reader_ids: ['p1', 'p2', 'p1'] },
      { reader_ids: [] },
      { reader_ids: ['missing1', 'p3', ''] },
      { reader_ids: ['p2'] },
    ]);
    expect(await lab.data('{ books { readers { id } knownReaders { id } } }')).toEqual({
      books: [
        { readers: ['p1', 'p2', 'p1'], knownReaders: ['p1', 'p2', 'p1'] },
        { readers: [], knownReaders: [] },
        { readers: [null, 'p3', null], knownReaders: ['p3'] },
        { readers: ['p2'], knownReaders: ['p2'] },
      ].map(({ readers, knownReaders }) => ({
        readers: readers.map((id) => id && { id }),
        knownReaders: knownReaders.map((id) => ({ id })),
      })),
    });
    expect(lab.upstreams.requests('PeopleService.BatchGetPeople')).toEqual([{ ids: ['p1', 'p2', 'missing1', 'p3'] }]);
  });

  test('one that fails is an error of its place; where none may be missing, of the list', async () => {
    list([{ reader_ids: numbers(51).map((index) => `p${index}`) }]);
    lab.upstreams.answer('PeopleService.BatchGetPeople', (request: { ids: string[] }, received) => {
      if (request.ids.length < 50) throw new RpcError(status.INTERNAL, 'inside');
      return answers['PeopleService.BatchGetPeople']?.(request, received);
    });
    const { data, errors } = await lab.graphql('{ books { readers { id } } }');
    expect(data.books[0].readers).toHaveLength(51);
    expect(data.books[0].readers.slice(49)).toEqual([{ id: 'p49' }, null]);
    expect(errors).toMatchObject([{ path: ['books', 0, 'readers', 50], extensions: { code: 'UPSTREAM_ERROR' } }]);
    const strict = await lab.graphql('{ books { knownReaders { id } } }');
    expect(strict.data).toBeNull();
    expect(strict.errors).toMatchObject([{ path: ['books', 0, 'knownReaders', 50] }]);
  });
});

describe('one to many', () => {
  test('many objects of each of many keys, in calls of the stated maximum', async () => {
    list(numbers(40).map((index) => ({ author_id: index === 1 ? 'missing1' : `p${index}` })));
    lab.upstreams.answer('PeopleService.BatchGetPeople', ({ ids }: { ids: string[] }) => ({ people: ids.map(person) }));
    const { books } = await lab.data('{ books { author { books { id author { id } } } } }');
    expect(books).toHaveLength(40);
    expect(books[0].author.books).toEqual([
      { id: 'p0-b', author: { id: 'p0' } },
      { id: 'p0-a', author: { id: 'p0' } },
    ]);
    expect(books[1].author.books).toEqual([]);
    expect(sizes('BookService.ListBooksOfAuthors', 'author_ids')).toEqual([30, 10]);
    // The authors of the authors' books are known by then.
    expect(sizes('PeopleService.BatchGetPeople')).toEqual([40]);
  });

  test('a call that fails fails the lists of its keys', async () => {
    list(numbers(31).map((index) => ({ author_id: `p${index}` })));
    lab.upstreams.control.setFault({ method: 'BookService.ListBooksOfAuthors', code: status.UNIMPLEMENTED, times: 1 });
    const { data, errors } = await lab.graphql('{ books { author { id books { id } } } }');
    const failed = data.books.filter(({ author }: Decoded) => author === null);
    expect([1, 30]).toContain(failed.length);
    expect(errors).toHaveLength(failed.length);
    expect(errors?.[0]?.extensions['code']).toBe('NOT_IMPLEMENTED');
  });
});

describe('a look-up of one', () => {
  test('asks once for each key, for as many at once as stated and never for more', async () => {
    list(numbers(20).map((index) => ({ reviewer_ids: [index, (index * 7) % 20, 404] })));
    const gate = new EventEmitter().setMaxListeners(0);
    let waiting = 0;
    lab.upstreams.answer('PeopleService.GetReviewer', async (request, received) => {
      const three = once(gate, 'three');
      waiting++;
      if (waiting % 3 === 0) gate.emit('three');
      await three;
      return answers['PeopleService.GetReviewer']?.(request, received);
    });
    const { books } = await lab.data('{ books { reviewers { id name } } }');
    expect(books[3].reviewers).toEqual([{ id: '3', name: 'the 3' }, { id: '1', name: 'the 1' }, null]);
    expect(calls('PeopleService.GetReviewer')).toBe(21);
    expect(lab.upstreams.peak('PeopleService.GetReviewer')).toBe(3);
  });

  test('nor for more where keys are asked for at several times', async () => {
    const { control } = lab.upstreams;
    let lists = 0;
    lab.upstreams.answer('BookService.ListBooks', async () => {
      lists++;
      const from = lists * 100;
      // The second list comes when look-ups for the first one are running.
      if (lists > 1) await control.waitForCall('PeopleService.GetReviewer');
      return { books: [{ author_id: `p${from}`, reviewer_ids: numbers(10).map((index) => from + index) }] };
    });
    lab.upstreams.answer('PeopleService.GetReviewer', async ({ id }: { id: string }) => {
      // Those for the first list run until what the second one joins has been asked for as well.
      const isSecond = ({ request }: { request: Decoded }): boolean => String(request.ids) === 'p200';
      if (id.startsWith('1')) await control.waitForCall('PeopleService.BatchGetPeople', isSecond);
      return { id };
    });
    const { a, b } = await lab.data('{ a: books { reviewers { id } } b: books { author { id } reviewers { id } } }');
    expect([...a[0].reviewers, ...b[0].reviewers]).toHaveLength(20);
    expect(calls('PeopleService.GetReviewer')).toBe(20);
    expect(lab.upstreams.peak('PeopleService.GetReviewer')).toBe(3);
  });

  test('one that fails is an error of its place', async () => {
    list([{ reviewer_ids: [1, 2, 404, 3] }]);
    lab.upstreams.answer('PeopleService.GetReviewer', (request: { id: string }, received) => {
      if (request.id === '2') throw new RpcError(status.PERMISSION_DENIED, 'no');
      return answers['PeopleService.GetReviewer']?.(request, received);
    });
    const { data, errors } = await lab.graphql('{ books { reviewers { id } } }');
    expect(data).toEqual({ books: [{ reviewers: [{ id: '1' }, null, null, { id: '3' }] }] });
    expect(errors).toMatchObject([{ path: ['books', 0, 'reviewers', 1], extensions: { code: 'FORBIDDEN' } }]);
  });

  test('keys may have two parts, and look like zero', async () => {
    list([
      { tenant_id: 'a', translation_id: 'x' },
      { tenant_id: 'b', translation_id: 'x', reviewer_ids: [0, '-9223372036854775808', '9223372036854775807'] },
      { tenant_id: 'a', translation_id: 'x' },
      { tenant_id: 'a' },
    ]);
    const { books } = await lab.data('{ books { translation { language } reviewers { id } } }');
    expect(books.map(({ translation }: Decoded) => translation?.language)).toEqual(['a/x', 'b/x', 'a/x', undefined]);
    expect(books[1].reviewers).toEqual([{ id: '0' }, { id: '-9223372036854775808' }, { id: '9223372036854775807' }]);
    expect(calls('PeopleService.GetTranslation')).toBe(2);
  });
});

describe('as few calls as levels and chunks', () => {
  test('two hundred objects with two joins each', async () => {
    list(numbers(200).map((index) => ({ author_id: `p${index}`, publisher_id: index + 1 })));
    const { books } = await lab.data('{ books(count: 200) { id author { name } publisher { name } } }');
    expect(books).toHaveLength(200);
    expect(books[199]).toEqual({ id: '', author: { name: 'the p199' }, publisher: { name: 'the 200' } });
    // 200 people by 50, 200 publishers by 40.
    expect(calls('BookService.ListBooks')).toBe(1);
    expect(sizes('PeopleService.BatchGetPeople')).toEqual([50, 50, 50, 50]);
    expect(sizes('PlaceService.BatchGetPublishers')).toEqual([40, 40, 40, 40, 40]);
    expect(allCalls()).toBe(1 + 4 + 5);
  });

  test('two hundred objects with two joins each, of which most are the same', async () => {
    list(numbers(200).map((index) => ({ author_id: `p${index % 7}`, publisher_id: (index % 3) + 1 })));
    await lab.data('{ books { author { name } again: author { id } publisher { name } } }');
    expect(allCalls()).toBe(1 + 1 + 1);
  });

  test('from one service to the other and back, a call for each level', async () => {
    list(numbers(40).map((index) => ({ id: `b${index}`, author_id: `p${index}` })));
    const { books } = await lab.data(
      '{ books { author { favorite { author { favorite { author { id mentor { id } } } } } } } }',
    );
    expect(books[39].author.favorite.author.favorite.author).toEqual({
      id: 'of-fav-of-fav-p39',
      mentor: { id: 'm-of-fav-of-fav-p39' },
    });
    expect(sizes('PeopleService.BatchGetPeople')).toEqual([40, 40, 40, 40]);
    expect(sizes('BookService.BatchGetBooks')).toEqual([40, 40]);
    expect(allCalls()).toBe(1 + 6);
  });

  test('a level waits for all chunks of the one before', async () => {
    list(numbers(120).map((index) => ({ author_id: `p${index}` })));
    const gate = new EventEmitter();
    const opened = once(gate, 'open');
    let arrived = 0;
    lab.upstreams.answer('PeopleService.BatchGetPeople', async (request: { ids: string[] }, received) => {
      // The first chunk answers at once, the others when it has.
      if (++arrived > 1) await opened;
      else setImmediate(() => gate.emit('open'));
      return answers['PeopleService.BatchGetPeople']?.(request, received);
    });
    await lab.data('{ books { author { favorite { id } } } }');
    expect(sizes('PeopleService.BatchGetPeople')).toEqual([50, 50, 20]);
    expect(sizes('BookService.BatchGetBooks')).toEqual([100, 20]);
  });

  test('what the object itself is asked with is not a join, and is not asked where any of it is unset', async () => {
    list([{ id: 'b', sequel_number: '9223372036854775807', imprint: { publisher_id: '7' } }, { id: 'c' }]);
    lab.upstreams.answer('BookService.ListSequels', ({ of_id: id }: { of_id: string }) => ({
      books: [{ id: `${id}2` }],
    }));
    expect(await lab.data('{ books { sequels { id } } }')).toEqual({
      books: [{ sequels: [{ id: 'b2' }] }, { sequels: [] }],
    });
    expect(lab.upstreams.requests('BookService.ListSequels')).toEqual([
      { of_id: 'b', number: '9223372036854775807', publisher_id: '7' },
    ]);
  });
});

describe('keys of one operation are never seen by another', () => {
  test('two users who ask for the same at the same time', async () => {
    const gate = new EventEmitter();
    let waiting = 0;
    lab.upstreams.answer('BookService.ListBooks', async () => {
      const opened = once(gate, 'open');
      if (++waiting === 2) gate.emit('open');
      await opened;
      return { books: [{ author_id: 'p1', reader_ids: ['p2'] }] };
    });
    const document = '{ booksOfMine { author { id } readers { id } } }';
    const found = await Promise.all([lab.data(document, {}, lab.adminToken), lab.data(document, {}, lab.memberToken)]);
    expect(found[0]).toEqual({ booksOfMine: [{ author: { id: 'p1' }, readers: [{ id: 'p2' }] }] });
    expect(found[1]).toEqual(found[0]);
    const asked = lab.upstreams.control.calls('PeopleService.BatchGetPeople');
    expect(asked.map(({ request }) => request)).toEqual([{ ids: ['p1', 'p2'] }, { ids: ['p1', 'p2'] }]);
    expect(new Set(asked.map(({ metadata }) => metadata['x-user-id']))).toEqual(new Set(['user-ada', 'user-mel']));
  });

  test('many at once find what is theirs', async () => {
    lab.upstreams.answer('BookService.ListBooks', ({ count }: { count: number }) => ({
      books: numbers(count).map((index) => ({ author_id: `p${count}-${index}` })),
    }));
    const documents = numbers(20).map((index) => index + 1);
    const found = await Promise.all(
      documents.map((count) => lab.data('query ($count: Int) { books(count: $count) { author { id } } }', { count })),
    );
    for (const count of documents) {
      expect(found[count - 1].books.map(({ author }: Decoded) => author.id)).toEqual(
        numbers(count).map((index) => `p${count}-${index}`),
      );
    }
    expect(calls('PeopleService.BatchGetPeople')).toBe(20);
    for (const { ids } of lab.upstreams.requests('PeopleService.BatchGetPeople')) {
      expect(new Set(ids.map((id: string) => id.split('-')[0])).size).toBe(1);
    }
  });

  test('each field of a mutation looks up anew', async () => {
    let version = 0;
    lab.upstreams.answer('BookService.RenameBook', ({ id, title }: Record<string, string>) => {
      version++;
      return { id, title, author_id: 'p1' };
    });
    lab.upstreams.answer('PeopleService.BatchGetPeople', () => ({
      people: [{ id: 'p1', name: `version ${version}` }],
    }));
    expect(
      await lab.data(
        'mutation { a: renameBook(id: "1", title: "x") { author { name } } b: renameBook(id: "2", title: "y") { title author { name } } }',
      ),
    ).toEqual({ a: { author: { name: 'version 1' } }, b: { title: 'y', author: { name: 'version 2' } } });
  });

  test('each event of a subscription looks up anew, in one call of its own', async () => {
    lab.upstreams.answer('BookService.WatchBooks', async function* () {
      yield* numbers(3).map((index) => ({ id: `b${index}`, author_id: 'p1', reader_ids: ['p1', 'p2'] }));
    });
    let version = 0;
    lab.upstreams.answer('PeopleService.BatchGetPeople', ({ ids }: { ids: string[] }) => {
      version++;
      return { people: ids.map((id) => ({ id, name: `version ${version}` })) };
    });
    const events: unknown[] = [];
    for await (const { data } of lab.subscribe('subscription { bookAdded { id author { name } readers { name } } }')) {
      events.push(data);
    }
    expect(events).toEqual(
      numbers(3).map((index) => {
        const name = `version ${index + 1}`;
        return { bookAdded: { id: `b${index}`, author: { name }, readers: [{ name }, { name }] } };
      }),
    );
    expect(calls('PeopleService.BatchGetPeople')).toBe(3);
  });
});
