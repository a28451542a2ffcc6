/** Tells the parent where a peer listens, and ends with it. */
export function announce(port) {
  process.on('disconnect', () => process.exit(0));
  process.send({ port });
}

/** Listens on a free port of loopback. */
export function listen(server) {
  server.listen(0, '127.0.0.1', () => announce(server.address().port));
}
