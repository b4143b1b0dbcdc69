// Asks the registry for advisories about what is run in production. High and critical ones end it with 1; a registry
// that knows no advisories is said, and passed over.
import { spawnSync } from 'node:child_process';

const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json'], {
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
});
const { metadata, vulnerabilities, message } = parsed(stdout);
if (metadata?.vulnerabilities === undefined) {
  const reason = String(message ?? 'no answer').split(' - ')[0];
  process.stdout.write(`advisories: the registry does not answer (${reason}); passed over\n`);
} else {
  const { high, critical, total } = metadata.vulnerabilities;
  process.stdout.write(`advisories: ${total}, of which ${high + critical} are high or critical\n`);
  for (const { name, severity, range } of Object.values(vulnerabilities)) {
    process.stdout.write(`  ${severity}: ${name} ${range}\n`);
  }
  if (high + critical > 0) process.exitCode = 1;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
