// Forked by start.mjs: https with the answers ready, which is what any server costs.
import { createServer } from 'node:https';

process.once('message', ({ cert, key, bodies }) => {
  const answers = new Map(
    bodies.map(([path, bytes]) => [path, Buffer.alloc(bytes, 'metric{label="value"} 12345\n')]),
  );
  const server = createServer({ cert, key }, (request, response) => {
    const body = answers.get(request.url) ?? 'ok';
    response.writeHead(200, {
      'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
      'Content-Length': body.length,
    });
    response.end(body);
  });
  // It is idle while the others are asked.
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => {
    process.send({ port: server.address().port });
  });
});
