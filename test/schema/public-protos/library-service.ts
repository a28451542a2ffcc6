/** google.example.library.v1.LibraryService in memory. */
import { invalidArgument } from '../../upstreams/rpc-error';
import { Collection, pageOf, startBackend, update, type Backend } from './backend';

interface Shelf {
  readonly name: string;
  readonly theme: string;
}

interface Book {
  readonly name: string;
  readonly author?: string;
  readonly title?: string;
  readonly read?: boolean;
}

export const libraryProto = 'google/example/library/v1/library.proto';

export function startLibraryService(): Promise<Backend> {
  const shelves = new Collection<Shelf>();
  const books = new Collection<Book>();
  let lastId = 0;
  const booksOn = (shelf: string): Book[] => books.below(`${shelves.get(shelf).name}/books/`);
  const put = (shelf: string, book: Book): Book =>
    books.add({ ...book, name: `${shelves.get(shelf).name}/books/${++lastId}` });

  return startBackend(libraryProto, {
    'google.example.library.v1.LibraryService': {
      CreateShelf: ({ shelf }) => shelves.add({ ...shelf, name: `shelves/${++lastId}` }),
      GetShelf: ({ name }) => shelves.get(name),
      ListShelves(request) {
        const { page, ...next } = pageOf(shelves.below('shelves/'), request);
        return { shelves: page, ...next };
      },
      DeleteShelf({ name }) {
        for (const book of booksOn(name)) books.delete(book.name);
        shelves.delete(name);
        return {};
      },
      MergeShelves({ name, other_shelf: other }) {
        if (name === other) return shelves.get(name);
        for (const book of booksOn(other)) put(name, books.delete(book.name));
        shelves.delete(other);
        return shelves.get(name);
      },
      CreateBook: ({ parent, book }) => put(parent, book),
      GetBook: ({ name }) => books.get(name),
      ListBooks(request) {
        const { page, ...next } = pageOf(booksOn(request.parent), request);
        return { books: page, ...next };
      },
      DeleteBook({ name }) {
        books.delete(name);
        return {};
      },
      UpdateBook({ book, update_mask: mask }) {
        if (book.title === '') throw invalidArgument({ field: 'book.title', description: 'must not be empty' });
        return books.set(update(books.get(book.name), book, mask?.paths ?? []));
      },
      MoveBook: ({ name, other_shelf_name: shelf }) => put(shelf, books.delete(name)),
    },
  });
}
