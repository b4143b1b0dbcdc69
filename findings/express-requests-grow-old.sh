#!/usr/bin/env bash
# Express 4 and 5 (4.22.3, 5.3.0) give each request and each answer another prototype (Object.setPrototypeOf). On Node.js
# 20 and 22 such objects outlive the collections of the young generation, though nothing refers to them any more: they
# fill the old one until the next full collection, with Express 5 by 10 KB a request. A bare node:http server that only
# changes the two prototypes leaves some, too; one that does not leaves nothing. On Node.js 24 all of them die young.
#
# Seen, bytes that a request of 20,000 over 16 kept connections leaves in the old generation (the heap is large enough
# that there is no full collection meanwhile):
#   v20.20.2: bare 8, other prototypes 3346, express 4 4939, express 5 10154
#   v22.23.3: bare 12, other prototypes 3540, express 4 5096, express 5 10294
#   v24.21.0: bare 7, other prototypes 8, express 4 32, express 5 31
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private":true,"type":"module"}\n' >package.json
npm install --no-audit --no-fund --silent express4@npm:express@4.22.3 express@5.3.0 node20@npm:node@20.20.2 node22@npm:node@22.23.3 node24@npm:node@24.21.0
cat >measure.mjs <<'EOF'
import { once } from 'node:events';
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { getHeapSpaceStatistics } from 'node:v8';
import express from 'express';
import express4 from 'express4';

const answer = (_request, response) => response.end('ok');
const asRequest = Object.create(IncomingMessage.prototype);
const asAnswer = Object.create(ServerResponse.prototype);
const servers = {
  bare: answer,
  'other prototypes': (request, response) => {
    Object.setPrototypeOf(request, asRequest);
    Object.setPrototypeOf(response, asAnswer);
    response.end('ok');
  },
  'express 4': express4().use(answer),
  'express 5': express().use(answer),
};
const question = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

const oldBytes = () => getHeapSpaceStatistics().find((space) => space.space_name === 'old_space').space_used_size;

async function connection(port, times) {
  const socket = connect(port, '127.0.0.1');
  for (let asked = 0; asked < times; asked += 1) {
    socket.write(question);
    await once(socket, 'data');
  }
  socket.destroy();
}

const ask = (port, times) => Promise.all(Array.from({ length: 16 }, () => connection(port, times / 16)));

async function leftBy(handler) {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await ask(port, 3200);
  gc();
  const before = oldBytes();
  await ask(port, 20_000);
  server.close();
  return Math.round((oldBytes() - before) / 20_000);
}

const left = {};
for (const [name, handler] of Object.entries(servers)) left[name] = await leftBy(handler);
const shown = Object.entries(left).map(([name, bytes]) => `${name} ${bytes}`);
console.log(`${process.version}: ${shown.join(', ')}`);
const isKept = Number(process.versions.node.split('.')[0]) < 24;
for (const [name, bytes] of Object.entries(left)) {
  const asStated = isKept && name !== 'bare' ? bytes > 2000 : bytes < 200;
  if (!asStated) throw new Error(`${name}: no longer so`);
}
EOF
for node in node20 node22 node24; do "node_modules/$node/bin/node" --expose-gc --initial-heap-size=1024 measure.mjs; done
echo 'as stated'
