#!/usr/bin/env bash
# A Map or Set whose entries come and go, with 16 of them at any time, keeps each entry that it has ever had until the
# next full garbage collection, though all were deleted: collections of the young generation free none of them. (V8 links
# a table to the one that replaces it, so the first table that has grown old holds all later ones.) In the same use an
# array, whose last element takes the place of the one that leaves, and an object's properties leave next to nothing. So
# on Node.js 20, 22 and 24: a server that notes its answers in a Map while they are sent fills its old generation.
#
# Seen, bytes in the old generation for each of 200,000 entries of 100 numbers, all but 16 deleted (the heap is large
# enough that there is no full collection meanwhile):
#   v20.20.2: map 960, set 943, array 0, object 35
#   v22.23.3: map 960, set 944, array 0, object 34
#   v24.21.0: map 686, set 698, array 0, object 32
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private":true,"type":"module"}\n' >package.json
npm install --no-audit --no-fund --silent node20@npm:node@20.20.2 node22@npm:node@22.23.3 node24@npm:node@24.21.0
cat >measure.mjs <<'EOF'
import { getHeapSpaceStatistics } from 'node:v8';

const oldBytes = () => getHeapSpaceStatistics().find((space) => space.space_name === 'old_space').space_used_size;

function bytesLeft({ add, remove }) {
  const present = [];
  const turnOver = (entries) => {
    for (let at = 0; at < entries; at += 1) {
      const entry = { key: `entry ${at}`, numbers: new Array(100).fill(at) };
      add(entry);
      present.push(entry);
      if (present.length > 16) remove(present.shift());
    }
  };
  turnOver(5000);
  gc();
  const before = oldBytes();
  turnOver(200_000);
  return Math.round((oldBytes() - before) / 200_000);
}

const map = new Map();
const set = new Set();
const array = [];
const object = {};
const collections = {
  map: { add: (entry) => map.set(entry, true), remove: (entry) => map.delete(entry) },
  set: { add: (entry) => set.add(entry), remove: (entry) => set.delete(entry) },
  array: {
    add: (entry) => {
      entry.place = array.length;
      array.push(entry);
    },
    remove: (entry) => {
      const last = array.pop();
      if (last === entry) return;
      last.place = entry.place;
      array[entry.place] = last;
    },
  },
  object: { add: (entry) => (object[entry.key] = entry), remove: (entry) => delete object[entry.key] },
};
const left = Object.fromEntries(Object.entries(collections).map(([name, one]) => [name, bytesLeft(one)]));
const shown = Object.entries(left).map(([name, bytes]) => `${name} ${bytes}`);
console.log(`${process.version}: ${shown.join(', ')}`);
if (left.map < 500 || left.set < 500 || left.array > 100 || left.object > 100) throw new Error('no longer so');
EOF
for node in node20 node22 node24; do "node_modules/$node/bin/node" --expose-gc --initial-heap-size=2048 measure.mjs; done
echo 'as stated'
