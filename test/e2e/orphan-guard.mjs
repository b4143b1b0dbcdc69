// Ends what a test process leaves behind when it dies without being asked, such as by SIGKILL: its servers run on
// their own. It says on stdin what it has started; when stdin ends, what is left of that is ended here.
//   started <pid>, exited <pid>, made <directory>, removed <directory>
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const pids = new Set();
const directories = new Set();
const words = {
  started: (pid) => pids.add(Number(pid)),
  exited: (pid) => pids.delete(Number(pid)),
  made: (directory) => directories.add(directory),
  removed: (directory) => directories.delete(directory),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [word, ...rest] = line.split(' ');
  words[word]?.(rest.join(' '));
}
for (const pid of pids) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
