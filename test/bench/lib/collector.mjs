/** A collector of traces that takes everything and keeps nothing. Over IPC the parent hears its address, and how often it was sent something. */
import { createServer } from 'node:http';

let exports = 0;

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    exports++;
    response.writeHead(200, { 'content-type': request.headers['content-type'] }).end();
  });
});

process.on('disconnect', () => process.exit(0));
process.on('message', () => process.send({ exports }));
server.listen(0, '127.0.0.1', () => process.send({ url: `http://127.0.0.1:${server.address().port}` }));
