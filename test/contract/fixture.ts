import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CommandResult } from '../../src/commands/command-result';
import { runCheck } from '../../src/commands/run-check';
import { ConfigError, readConfig, sourceFolders } from '../../src/config/config';
import { SchemaError } from '../../src/diagnostics/findings';
import { createGateway } from '../../src/gateway';
import { loadSources } from '../../src/schema/sources';
import { createLog } from '../../src/telemetry/log';

export const root = join(__dirname, '..', '..');

/** The files of {@link shop}, for edits of them. */
export const sdl = 'schema/shop.graphql';
export const rest = 'schema/rest/shop.graphql';
export const proto = 'proto/shop/v1/shop.proto';
export const auth = 'proto/auth/v1/auth.proto';

/** A contract of the tests' own, in which nothing is wrong: files by their path. */
export const shop: Readonly<Record<string, string>> = {
  // What sign-in and sessions need of it.
  [auth]: `
syntax = "proto3";
package auth.v1;

import "google/protobuf/timestamp.proto";

service AuthService {
  rpc HandleSsoCallback(HandleSsoCallbackRequest) returns (HandleSsoCallbackResponse);
  rpc ValidateSession(ValidateSessionRequest) returns (ValidateSessionResponse);
  rpc RevokeSession(RevokeSessionRequest) returns (RevokeSessionResponse);
  rpc WatchRevocations(WatchRevocationsRequest) returns (stream Revocation);
}

message HandleSsoCallbackRequest {
  string provider = 1;
  string code = 2;
  string code_verifier = 3;
  string redirect_uri = 4;
  string nonce = 5;
}

message HandleSsoCallbackResponse {
  string session_token = 1;
  google.protobuf.Timestamp expires_at = 2;
}

message ValidateSessionRequest {
  string session_token = 1;
}

message ValidateSessionResponse {
  string session_id = 1;
  string user_id = 2;
  repeated string permissions = 3;
  google.protobuf.Timestamp expires_at = 4;
}

message RevokeSessionRequest {
  string session_token = 1;
}

message RevokeSessionResponse {}

message WatchRevocationsRequest {}

message Revocation {
  string session_id = 1;
  string user_id = 2;
}
`,
  [proto]: `
syntax = "proto3";
package shop.v1;

import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";

service ShopService {
  rpc GetProduct(GetProductRequest) returns (Product) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc ListProducts(ListProductsRequest) returns (ListProductsResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc BatchGetProducts(BatchGetProductsRequest) returns (BatchGetProductsResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc GetOrder(GetOrderRequest) returns (GetOrderResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc WatchOrder(GetOrderRequest) returns (stream OrderEvent) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc UpdateProduct(UpdateProductRequest) returns (Product) { option idempotency_level = IDEMPOTENT; }
  rpc PlaceOrder(PlaceOrderRequest) returns (Order);
  rpc UploadPhotos(stream Photo) returns (UploadPhotosResponse);
}

service StockService {
  rpc GetProduct(GetProductRequest) returns (Product) { option idempotency_level = NO_SIDE_EFFECTS; }
}

message Product {
  string product_id = 1;
  string name = 2;
  optional string blurb = 3;
  int32 stock = 4;
  int64 views = 5;
  Kind kind = 6;
  repeated string tags = 7;
  google.protobuf.Timestamp created_at = 8;
  repeated Kind similar_kinds = 9;
  Size size = 10;
}

message Size {
  double width = 1;
  double height = 2;
}

enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_BOOK = 1;
  KIND_TOY = 2;
}

message GetProductRequest {
  string product_id = 1;
  int32 depth = 2;
}

message ListProductsRequest {
  int32 page_size = 1;
  string page_token = 2;
  Kind kind = 3;
  Filter filter = 4;
}

message Filter {
  string text = 1;
  repeated string tags = 2;
}

message ListProductsResponse {
  repeated Product products = 1;
  string next_page_token = 2;
}

message BatchGetProductsRequest {
  repeated string product_ids = 1;
  string shelf = 2;
}

message BatchGetProductsResponse {
  repeated Product products = 1;
  int32 count = 2;
}

message GetOrderRequest {
  string order_id = 1;
}

message GetOrderResponse {
  Order order = 1;
}

message Order {
  string order_id = 1;
  repeated Item items = 2;
  oneof payment {
    Card card = 3;
    Invoice invoice = 4;
  }
  repeated string product_ids = 5;
}

message Item {
  string product_id = 1;
  int32 count = 2;
}

message Card {
  string last_digits = 1;
}

message Invoice {
  string address = 1;
}

message OrderEvent {
  string order_id = 1;
  string note = 2;
}

message UpdateProductRequest {
  Product product = 1;
  google.protobuf.FieldMask update_mask = 2;
}

message PlaceOrderRequest {
  repeated Item items = 1;
  string user_id = 2;
}

message Photo {
  bytes data = 1;
}

message UploadPhotosResponse {
  int32 count = 1;
}
`,
  'schema/auth.graphql': `extend schema @upstream(name: "auth", service: "auth.v1.AuthService")
`,
  [sdl]: `extend schema @upstream(name: "shop", service: "shop.v1.ShopService", deadline: "2s")

type Query {
  product(id: ID!): Product @public @grpc(rpc: "GetProduct", request: { productId: "$args.id" })
  products(first: Int = 25, after: String, kind: Kind, filter: FilterInput): ProductConnection @public @grpc(rpc: "ListProducts")
  order(id: ID!): Order @authenticated @grpc(rpc: "GetOrder", request: { orderId: "$args.id" }, response: "order")
}

type Mutation {
  updateProduct(id: ID!, input: ProductInput!): Product!
    @requiresScopes(scopes: [["shop:edit"]])
    @grpc(rpc: "UpdateProduct", request: { product: ["$args.input", { productId: "$args.id" }] })
  placeOrder(items: [ItemInput!]!): Order!
    @authenticated
    @grpc(rpc: "PlaceOrder", request: { userId: "$session.userId" })
}

type Subscription {
  orderEvents(id: ID!): OrderEvent! @authenticated @grpc(rpc: "WatchOrder", request: { orderId: "$args.id" })
}

type Product @lookup(rpc: "BatchGetProducts", keys: "productIds", items: "products", match: "productId") {
  id: ID! @proto(field: "productId")
  name: String!
  blurb: String
  stock: Int!
  views: BigInt!
  kind: Kind
  tags: [String!]!
  createdAt: DateTime
}

enum Kind {
  BOOK
  TOY
}

type ProductConnection {
  edges: [ProductEdge!]!
  nodes: [Product!]!
  pageInfo: PageInfo!
  nextPageToken: String
}

type ProductEdge {
  node: Product!
  cursor: String!
}

type Order {
  id: ID! @proto(field: "orderId")
  items: [Item!]!
  payment: Payment
  products: [Product!]! @join(key: "productIds")
}

type Item {
  count: Int!
  product: Product @join(key: "productId")
}

union Payment = Card | Invoice

type Card {
  lastDigits: String!
}

type Invoice {
  address: String!
}

type OrderEvent {
  id: ID! @proto(field: "orderId")
  note: String!
}

input FilterInput {
  text: String
  tags: [String!]
}

input ProductInput {
  name: String
  kind: Kind
}

input ItemInput {
  productId: ID!
  count: Int!
}
`,
  [rest]: `query GetProduct($id: ID!) @rest(method: GET, path: "/shop/products/{id}") {
  product(id: $id) {
    id
    name
    kind @enumCase(as: PASCAL)
  }
}

query ListProducts($pageSize: Int, $pageToken: String, $kind: Kind @enumCase(as: PASCAL)) @rest(method: GET, path: "/shop/products") {
  products(first: $pageSize, after: $pageToken, kind: $kind) {
    products: nodes {
      id
      name
    }
    nextPageToken
  }
}

mutation PlaceOrder($items: [ItemInput!]!) @rest(method: POST, path: "/shop/orders", alias: ["/orders"], body: "*", status: 201) {
  placeOrder(items: $items) {
    id
    items {
      count
    }
  }
}
`,
};

/** What is otherwise in some files: a text in place of another, which must be there; all of the file; or no file. */
export type Edits = Readonly<Record<string, string | null | readonly (readonly [from: string, to: string])[]>>;

const folders: string[] = [];

/** To be called when all tests of a file are done. */
export function removeFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true });
}

/** Writes the shop's files to a folder of their own. */
export function write(edits: Edits = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'check-'));
  folders.push(folder);
  for (const path of new Set([...Object.keys(shop), ...Object.keys(edits)])) {
    const edit = edits[path];
    if (edit === null) continue;
    let text = typeof edit === 'string' ? edit : (shop[path] ?? '');
    for (const [from, to] of typeof edit === 'object' ? edit : []) {
      if (!text.includes(from)) throw new Error(`${path} does not have ${from}`);
      text = text.replace(from, () => to);
    }
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  mkdirSync(join(folder, 'schema'), { recursive: true });
  mkdirSync(join(folder, 'proto'), { recursive: true });
  return folder;
}

/** Runs the check on a folder, in this process. Paths in what it says are those within the folder. */
export function check(folder: string, ...args: string[]): CommandResult {
  const outcome = runCheck(['--schema', join(folder, 'schema'), '--proto', join(folder, 'proto'), ...args], {
    schemaDir: 'nowhere',
    protoDir: 'nowhere',
  });
  return { ...outcome, stdout: inside(folder, outcome.stdout), stderr: inside(folder, outcome.stderr) };
}

/**
 * A mistake is told by the check, in exactly these words, and the gateway does not start with it.
 *
 * @param finds - Lines: each finding with its place, and what would mend it.
 * @param otherwise - Why the start refuses it in other words.
 */
export function mistake(name: string, edits: Edits, finds: readonly string[], otherwise?: string): void {
  test(name, () => {
    const folder = write(edits);
    const count = finds.filter((line) => !line.startsWith('    ')).length;
    const { exitCode, stdout, stderr } = check(folder);
    expect(stdout.split('\n')).toEqual([...finds, '', `${count} finding${count === 1 ? '' : 's'}`, '']);
    expect(stderr).toBe('');
    expect(exitCode).toBe(1);
    if (otherwise !== undefined) expect(() => refusal(folder)).toThrow(ConfigError);
    else expect(refusal(folder)?.split('\n')).toEqual([`the schema has ${count} problem(s)`, ...finds]);
  });
}

/** What the gateway says when it does not start; undefined where it does. */
export function refusal(folder: string): string | undefined {
  try {
    // As the process does it, with what it needs besides.
    const env = { NODE_ENV: 'test', PUBLIC_URL: 'http://localhost:3000', ...environment(folder) };
    const sources = loadSources(sourceFolders(env));
    createGateway(readConfig(env, sources.upstreamNames), { log: createLog('silent'), sources }).close();
    return undefined;
  } catch (error) {
    if (error instanceof SchemaError) return inside(folder, error.message);
    throw error;
  }
}

export function environment(folder: string): Record<string, string> {
  return {
    SCHEMA_DIR: join(folder, 'schema'),
    PROTO_DIR: join(folder, 'proto'),
    AUTH_SERVICE_ADDR: '127.0.0.1:1',
    SHOP_SERVICE_ADDR: '127.0.0.1:1',
    // Of upstreams that some of the mistakes add.
    STOCK_SERVICE_ADDR: '127.0.0.1:1',
    STORE_SERVICE_ADDR: '127.0.0.1:1',
    SHOP__SERVICE_ADDR: '127.0.0.1:1',
  };
}

/** Runs a file of `src` as a process of its own. */
export function spawnSource(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): CommandResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', join('src', file), ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], ...env },
  });
  return { exitCode: status as CommandResult['exitCode'], stdout, stderr };
}

export function inside(folder: string, text: string): string {
  return text.replaceAll(`${folder}/`, '').replaceAll(folder, '.');
}
