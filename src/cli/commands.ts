import { configuration } from '../options/general-options.js';
import type { CommandDescription } from './command.js';

/** In the order of the program's help. */
const described: Readonly<Record<string, Omit<CommandDescription, 'name'>>> = {
  start: {
    usage: '[options]',
    description: 'serve /metrics and health over TLS',
    load: async () => (await import('./start-command.js')).startCommand,
  },
  doctor: {
    usage: '[options]',
    description: 'check what start would need, without listening; exit code 1 for warnings, 2 for errors',
    load: async () => (await import('./doctor/doctor.js')).doctorCommand,
  },
  demo: {
    usage: '[options]',
    description: 'start two shards and a cache server with throwaway keys and show who may scrape what',
    load: async () => (await import('./demo/demo.js')).demoCommand,
  },
  'can-i': {
    usage: '[options] [verb] [path]',
    description: 'check offline whether a user is allowed; exit code 0 for yes, 1 for no',
    load: async () => (await import('./can-i.js')).canICommand,
  },
  'who-can': {
    usage: '[options] <verb> <path>',
    description: 'list who is allowed a verb on a path',
    load: async () => (await import('./who-can.js')).whoCanCommand,
  },
  replicate: {
    usage: '[options]',
    description:
      'annotate the bindings of the root workspace that grant nothing but reading metrics, so that kcp replicates them to every shard',
    load: async () => (await import('./replicate.js')).replicateCommand,
  },
  manifests: {
    usage: '[options] <kind>',
    description: 'print Kubernetes and Prometheus manifests for a server with these flags, as YAML',
    load: async () => (await import('./manifests/manifests-command.js')).manifestsCommand,
  },
  migrate: {
    usage: '[options] <program> [args...]',
    description:
      'print the configuration and RBAC in place of kube-rbac-proxy, from its configuration file and flags; what has no counterpart is told on stderr',
    load: async () => (await import('./migrate/migrate-command.js')).migrateCommand,
  },
  schema: {
    usage: '',
    description: `print the JSON Schema of the ${configuration.options.config.name} file`,
    load: async () => {
      const { configurationSchema } = await import('../options/configuration.js');
      return {
        topics: [],
        run: ({ terminal }) => {
          terminal.print(JSON.stringify(configurationSchema(), undefined, 2));
          return Promise.resolve(0);
        },
      };
    },
  },
  completion: {
    usage: '<shell>',
    description: 'print a shell completion script: source <(… completion bash)',
    load: async () => (await import('./completion/completion-command.js')).completionCommand(commands),
  },
};

export const commands: readonly CommandDescription[] = Object.entries(described).map(([name, rest]) => ({
  name,
  ...rest,
}));
