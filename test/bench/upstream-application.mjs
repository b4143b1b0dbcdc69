// Forked by upstream.mjs: an application that has its exposition ready.
import { createServer } from 'node:http';

process.once('message', ({ bytes }) => {
  const body = Buffer.alloc(bytes, 'metric{label="value"} 12345\n');
  const server = createServer((_request, response) => {
    response.writeHead(200, {
      'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
      'Content-Length': body.byteLength,
    });
    response.end(body);
  });
  server.listen(0, '127.0.0.1', () => {
    process.send({ port: server.address().port });
  });
});
