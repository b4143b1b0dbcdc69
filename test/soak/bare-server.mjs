// Forked by the soak: a bare server that nobody does anything to, to know what the machine does to anybody.
import { createServer } from 'node:https';

process.once('message', ({ cert, key, bytes }) => {
  const body = Buffer.alloc(bytes, 'metric{label="value"} 12345\n');
  const server = createServer({ cert, key }, (_request, response) => {
    response.writeHead(200, { 'Content-Length': body.length }).end(body);
  });
  server.listen(0, '127.0.0.1', () => {
    process.send({ port: server.address().port });
  });
});
process.once('disconnect', () => process.exit());
