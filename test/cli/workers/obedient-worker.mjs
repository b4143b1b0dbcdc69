// A worker that listens as soon as it is told to begin, and does what its environment says.
const send = (message) => process.send({ protocol: 'kcp-metrics-filter/workers/1', message });

process.on('message', ({ message } = {}) => {
  if (message?.kind === 'begin') send({ kind: 'listening', url: 'https://127.0.0.1:1', port: 1 });
  if (message?.kind === 'drain') process.exit(0);
});
send({ kind: 'started' });
