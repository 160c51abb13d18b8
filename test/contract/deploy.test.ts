import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { SETTING_NAMES, settingOf } from '../../src/lib/config/settings.js';
import { parseDuration } from '../../src/lib/core/units.js';
import { readQuery } from '../../src/lib/serve/desired-query.js';
import { ROOT } from '../support/cli.js';
import { misuse } from './command-line.js';

const at = (file: string) => path.join(ROOT, file);
const read = (file: string) => readFileSync(at(file), 'utf8');
const has = (program: string, ...args: string[]) => spawnSync(program, args).error === undefined;
const scratch = mkdtempSync(path.join(tmpdir(), 'infer-deploy-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** `INFER_*` variables that nothing reads. */
function unknownVariables(text: string): string[] {
  const known = new Set<string>(SETTING_NAMES.map((name) => settingOf(name).env));
  return (text.match(/\bINFER_[A-Z_]+\b/g) ?? []).filter((name) => !known.has(name));
}

const FILES = (readdirSync(at('deploy'), { recursive: true, encoding: 'utf8' }) as string[])
  .filter((file) => /\.[a-z0-9]+$|Dockerfile/.test(file) && !/\.dockerignore$|\.helmignore$/.test(file))
  .map((file) => `deploy/${file.replaceAll(path.sep, '/')}`);

describe('everything in deploy/', () => {
  it('names only variables that infer reads', () => {
    expect(FILES.length).toBeGreaterThan(15);
    expect(FILES.flatMap((file) => unknownVariables(read(file)).map((name) => `${file}: ${name}`))).toEqual(
      [],
    );
  });

  it('is valid YAML where it claims to be, with no duplicate key', () => {
    const files = FILES.filter((file) => /\.ya?ml$/.test(file) && !file.includes('/templates/'));
    expect(files.length).toBeGreaterThan(4);
    for (const file of files) {
      for (const document of parseAllDocuments(read(file), { merge: true })) {
        expect(document.errors, file).toEqual([]);
        expect(document.warnings, file).toEqual([]);
      }
    }
  });

  it('is described in docs/deploy.md', () => {
    const document = read('docs/deploy.md');
    for (const file of FILES.filter((one) => !one.includes('/templates/'))) {
      expect(document, file).toContain(path.posix.basename(file));
    }
  });
});

describe('deploy/systemd', () => {
  const units = FILES.filter((file) => file.endsWith('.service'));
  const value = (unit: string, name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

  it('has a worker template, an autoscaler and the exporter', () => {
    expect(units.map((file) => path.posix.basename(file)).sort()).toEqual([
      'infer-autoscale.service',
      'infer-metrics.service',
      'infer-worker@.service',
    ]);
  });

  it.each(units)(
    '%s calls existing commands, stops infer gracefully, and never restarts in a loop on a permanent error',
    (file) => {
      const unit = read(file);
      const [program, ...words] = value(unit, 'ExecStart').split(' ');
      expect(program).toBe('infer');
      expect(misuse(words)).toEqual([]);
      expect(value(unit, 'User')).toBe('infer');
      expect(value(unit, 'KillSignal')).toBe('SIGTERM');
      expect(value(unit, 'Restart')).toBe('on-failure');
      expect(value(unit, 'RestartPreventExitStatus').split(' ')).toEqual(
        expect.arrayContaining(['2', '77', '78']),
      );
      expect(value(unit, 'NoNewPrivileges')).toBe('yes');
      const drain = words[words.indexOf('--drain-timeout') + 1];
      if (words.includes('--drain-timeout')) {
        expect(Number(value(unit, 'TimeoutStopSec')) * 1000).toBeGreaterThan(parseDuration(drain as string));
      }
    },
  );

  it.skipIf(!has('systemd-analyze', '--version'))(
    'passes systemd-analyze (skipped where it is not installed)',
    () => {
      const copies = units.map((file) => {
        const copy = path.join(scratch, path.posix.basename(file).replace('@', '@0'));
        // Only the program's path differs: it is not installed here.
        writeFileSync(copy, read(file).replace(/^ExecStart=infer/m, 'ExecStart=/bin/true'));
        return copy;
      });
      const run = spawnSync('systemd-analyze', ['verify', ...copies], { encoding: 'utf8' });
      expect(run.stderr).toBe('');
      expect(run.status).toBe(0);
    },
  );
});

/** A Dockerfile's instructions, continued lines joined. */
function instructions(file: string): [string, string][] {
  return read(file)
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]);
}

describe('deploy/docker', () => {
  const INSTRUCTION = /^(ARG|FROM|WORKDIR|COPY|RUN|ENV|USER|STOPSIGNAL|ENTRYPOINT|CMD|HEALTHCHECK)$/;

  it.each(['deploy/docker/Dockerfile', 'deploy/docker/Dockerfile.cuda12'])(
    '%s is built in stages, and runs as an unprivileged user',
    (file) => {
      const all = instructions(file);
      const only = (name: string) =>
        all.filter(([instruction]) => instruction === name).map(([, rest]) => rest);
      expect(all.map(([name]) => name).filter((name) => !INSTRUCTION.test(name))).toEqual([]);
      expect(only('FROM').map((from) => from.split(' AS ')[1])).toEqual(['build', 'runtime']);
      expect(only('USER')).toEqual(['10001:10001']);
      expect(JSON.parse(only('ENTRYPOINT')[0] as string)).toEqual(['node', '/app/bin/run.js']);
      expect(misuse(JSON.parse(only('CMD')[0] as string))).toEqual([]);
      expect(only('HEALTHCHECK')[0]).toContain('/app/health.mjs');
      // Nothing runs after dropping privileges, and COPY fetches nothing from a URL.
      const user = all.findIndex(([name]) => name === 'USER');
      expect(all.slice(user).some(([name]) => name === 'RUN' || name === 'COPY')).toBe(false);
    },
  );

  it.each(['deploy/docker/Dockerfile', 'deploy/docker/Dockerfile.cuda12'])(
    '%s copies only files that exist and are not ignored',
    (file) => {
      const ignored = read(`${file}.dockerignore`).split('\n');
      expect(ignored).toContain('*');
      const sources = instructions(file)
        .filter(([name, rest]) => name === 'COPY' && !rest.includes('--from='))
        .flatMap(([, rest]) => rest.split(' ').slice(0, -1));
      expect(sources.length).toBeGreaterThan(5);
      // Holds in a clone: files ignored by git would be missing there.
      const unclean = read('.gitignore').split('\n');
      for (const source of sources) {
        expect(existsSync(at(source)), source).toBe(true);
        expect(unclean, source).not.toContain(source);
        expect(unclean, source).not.toContain(`${source}/`);
        expect(ignored, source).toContain(`!${source}`);
      }
      // What the program needs at run time is in the second stage.
      const taken = instructions(file)
        .map(([, rest]) => rest)
        .join('\n');
      for (const needed of [
        'oclif.manifest.json',
        '/app/dist',
        '/app/node_modules',
        'models',
        'health.mjs',
        // ONNX Runtime's packages contain no licence text, and an image distributes its libraries.
        'licences',
      ]) {
        expect(taken).toContain(needed);
      }
    },
  );

  it('the GPU image installs and checks the CUDA provider, which the npm package does not contain', () => {
    const text = read('deploy/docker/Dockerfile.cuda12');
    expect(text).toMatch(/FROM nvidia\/cuda:\$\{CUDA\}/);
    expect(text).toMatch(/ARG CUDA=12\.\d+\.\d+-cudnn-runtime-/);
    expect(text).toContain('--onnxruntime-node-install=cuda12');
    expect(text).toContain('libonnxruntime_providers_cuda.so');
    expect(text).toContain('INFER_REQUIRE_GPU=true');
  });

  it('compose configures Redis as a broker, and calls existing commands', () => {
    const { services } = parse(read('deploy/docker/compose.yml'), { merge: true }) as {
      services: Record<
        string,
        { command: string[]; read_only?: boolean; profiles?: string[]; [key: string]: unknown }
      >;
    };
    expect(Object.keys(services)).toEqual(['redis', 'worker', 'worker-gpu', 'metrics']);
    const { redis, ...ours } = services;
    const redisWords = redis?.command.join(' ');
    expect(redisWords).toContain('--maxmemory-policy noeviction');
    expect(redisWords).toContain('--appendonly yes');
    for (const [name, service] of Object.entries(ours)) {
      expect(misuse(service.command), name).toEqual([]);
      expect(service.read_only, name).toBe(true);
      const drain = service.command[service.command.indexOf('--drain-timeout') + 1];
      if (service.command.includes('--drain-timeout')) {
        expect(parseDuration(String(service.stop_grace_period)), name).toBeGreaterThan(
          parseDuration(drain as string),
        );
      }
    }
    expect(services['worker-gpu']?.profiles).toEqual(['gpu']);
    expect(services.worker?.profiles).toBeUndefined();
  });
});

const CHART = 'deploy/helm/infer';
const helm = has('helm', 'version');

interface Manifest {
  kind: string;
  metadata: { name: string };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has a form of its own
  spec: any;
}

function render(values: object): { ok: boolean; said: string; manifests: Manifest[] } {
  const file = path.join(scratch, 'values.json');
  writeFileSync(file, JSON.stringify(values));
  const run = spawnSync('helm', ['template', 'demo', at(CHART), '-f', file, '--namespace', 'ml'], {
    encoding: 'utf8',
    env: { ...process.env, HELM_CACHE_HOME: scratch, HELM_CONFIG_HOME: scratch, HELM_DATA_HOME: scratch },
  });
  const documents = run.status === 0 ? parseAllDocuments(run.stdout) : [];
  expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
  const manifests = documents
    .map((document) => document.toJS() as Manifest | null)
    .filter((one) => one !== null);
  return { ok: run.status === 0, said: run.stderr, manifests };
}

describe('deploy/helm/infer', () => {
  const values = parse(read(`${CHART}/values.yaml`)) as Record<string, unknown> & { workers: object[] };
  const schema = JSON.parse(read(`${CHART}/values.schema.json`));
  const templates = FILES.filter((file) => file.includes('/templates/') && file.endsWith('.yaml'));

  it('has a schema entry for every value and a value for every schema entry', () => {
    // biome-ignore lint/suspicious/noExplicitAny: a JSON schema
    const differing = (of: any, given: any, where: string): string[] => {
      if (of?.properties === undefined || typeof given !== 'object' || given === null) return [];
      const [known, there] = [Object.keys(of.properties), Object.keys(given)];
      return [
        ...known
          .filter((key) => !there.includes(key) && key !== 'global')
          .map((key) => `${where}${key}: no value`),
        ...there.filter((key) => !known.includes(key)).map((key) => `${where}${key}: not in the schema`),
        ...there.flatMap((key) => differing(of.properties[key], given[key], `${where}${key}.`)),
      ];
    };
    expect(schema.additionalProperties).toBe(false);
    expect(differing(schema, values, '')).toEqual([]);
    expect(differing(schema.properties.workers.items, values.workers[0], 'workers.')).toEqual([]);
  });

  it('calls existing commands in its templates', () => {
    const flagsIn = (file: string) =>
      [...read(`${CHART}/templates/${file}`).matchAll(/^\s+- (--[a-z-]+)$/gm)].map(
        ([, flag]) => flag as string,
      );
    expect(flagsIn('worker.yaml').length).toBeGreaterThan(4);
    expect(misuse(['worker', ...flagsIn('worker.yaml')])).toEqual([]);
    expect(misuse(['metrics', ...flagsIn('metrics.yaml')])).toEqual([]);
    expect(templates.length).toBe(5);
  });

  it('makes KEDA read its number from the exporter', () => {
    const scaled = read(`${CHART}/templates/scaledobject.yaml`);
    expect(scaled).toContain('type: metrics-api');
    expect(scaled).toContain('/autoscale/');
    expect(scaled).toContain('valueLocation: desiredWorkers');
    // The exporter accepts the query, filled in with the chart's own values.
    const { queue, minReplicas, maxReplicas, spare, targetWait } = (
      values.workers[0] as { autoscale: Record<string, string | number> }
    ).autoscale;
    const filling = [queue, minReplicas, maxReplicas, spare, targetWait].map(String);
    const format = /printf "%s(\/autoscale\/[^"]*)"/.exec(scaled)?.[1] as string;
    const url = new URL(
      format.replaceAll(/%[sd]/g, () => filling.shift() as string),
      'http://exporter',
    );
    expect(filling).toEqual([]);
    const { queues, config } = readQuery(url.pathname.slice('/autoscale/'.length), url.searchParams);
    expect(queues).toEqual([queue]);
    expect(config).toMatchObject({ min: minReplicas, max: maxReplicas, spare, targetWaitMs: 10_000 });
  });

  describe.skipIf(!helm)('with helm (skipped where it is not installed)', () => {
    const redis = { existingSecret: 'redis' };

    it('passes helm lint', () => {
      const run = spawnSync('helm', ['lint', '--strict', at(CHART), '--set', 'redis.existingSecret=r'], {
        encoding: 'utf8',
      });
      expect(run.status, run.stdout + run.stderr).toBe(0);
    });

    it('renders one deployment per entry that drains, as an unprivileged user with a read-only file system', () => {
      const { manifests } = render({ redis });
      const of = (kind: string) => manifests.filter((one) => one.kind === kind);
      expect(of('Deployment').map(({ metadata }) => metadata.name)).toEqual([
        'demo-infer-metrics',
        'demo-infer-worker-realtime',
      ]);
      const pod = of('Deployment')[1]?.spec.template.spec;
      const [container] = pod.containers;
      expect(misuse(container.args)).toEqual([]);
      const drain = parseDuration(container.args[container.args.indexOf('--drain-timeout') + 1]);
      expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(drain);
      expect(pod.securityContext.runAsNonRoot).toBe(true);
      expect(container.securityContext.readOnlyRootFilesystem).toBe(true);
      expect(pod.automountServiceAccountToken).toBe(false);
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
        expect(container[probe].exec.command.slice(0, 2), probe).toEqual(['node', '/app/health.mjs']);
      }
      expect(container.env).toContainEqual({
        name: 'INFER_REDIS_URL',
        valueFrom: { secretKeyRef: { name: 'redis', key: 'redis-url' } },
      });
      expect(of('PodDisruptionBudget')).toHaveLength(1);
      expect(of('Secret')).toHaveLength(0);
      expect(of('ScaledObject')).toHaveLength(0);
    });

    it('gives a GPU to workers that ask for one, and lets KEDA scale them', () => {
      const { manifests } = render({
        redis,
        metrics: { tokenExistingSecret: 'token' },
        workers: [
          {
            name: 'gpu',
            queues: ['realtime', 'batch'],
            gpu: { enabled: true },
            autoscale: { enabled: true, minReplicas: 0, maxReplicas: 8 },
          },
          { name: 'slow', queues: ['batch'], replicas: 0, podDisruptionBudget: { enabled: false } },
        ],
      });
      const named = (kind: string, name: string) =>
        manifests.find((one) => one.kind === kind && one.metadata.name === `demo-infer-${name}`);
      const gpu = named('Deployment', 'worker-gpu')?.spec;
      const [container] = gpu.template.spec.containers;
      expect(container.resources.limits).toEqual({ 'nvidia.com/gpu': 1 });
      expect(container.args).toEqual(expect.arrayContaining(['--gpu', '0', '--require-gpu']));
      expect(container.image).toMatch(/^infer-cuda12:/);
      expect(gpu.strategy.rollingUpdate).toEqual({ maxSurge: 0, maxUnavailable: 1 });
      expect('replicas' in gpu).toBe(false);
      expect(named('Deployment', 'worker-slow')?.spec.replicas).toBe(0);
      expect(manifests.filter(({ kind }) => kind === 'PodDisruptionBudget')).toHaveLength(1);

      const scaled = named('ScaledObject', 'worker-gpu')?.spec;
      expect(scaled).toMatchObject({ minReplicaCount: 0, maxReplicaCount: 8 });
      expect(scaled.scaleTargetRef.name).toBe('demo-infer-worker-gpu');
      expect(scaled.triggers).toEqual([
        {
          type: 'metrics-api',
          metricType: 'AverageValue',
          metadata: {
            url: 'http://demo-infer-metrics.ml.svc:9464/autoscale/realtime?min=0&max=8&spare=0&targetWait=10s',
            valueLocation: 'desiredWorkers',
            targetValue: '1',
            activationTargetValue: '0',
            authMode: 'bearer',
          },
          authenticationRef: { name: 'demo-infer-metrics' },
        },
      ]);
      expect(named('TriggerAuthentication', 'metrics')?.spec.secretTargetRef).toEqual([
        { parameter: 'token', name: 'token', key: 'token' },
      ]);
      expect(named('Service', 'metrics')?.spec.ports[0].port).toBe(9464);
    });

    it.each([
      [{}, /name the secret with the Redis URL/],
      [{ redis, nonsense: 1 }, /nonsense/],
      [{ redis, workers: [] }, /workers/],
      [{ redis, workers: [{ name: 'Bad Name', queues: ['a'] }] }, /name/],
      [{ redis, workers: [{ name: 'a', queues: ['a b'] }] }, /queues/],
      [{ redis, metrics: { port: 99_999 } }, /port/],
      [
        {
          redis,
          metrics: { enabled: false },
          workers: [{ name: 'a', queues: ['a'], autoscale: { enabled: true } }],
        },
        /metrics\.enabled must be true/,
      ],
    ])('rejects %j', (bad, message) => {
      const { ok, said } = render(bad);
      expect(ok).toBe(false);
      expect(said).toMatch(message);
    });
  });
});

describe('the check for misused commands', () => {
  it.each([
    ['worker --queues a --gpu 0', []],
    ['worker --queue-names a', ['--queue-names']],
    ['redis start', []],
    ['autoscale --queue a --thresh 3', ['--thresh']],
    ['host --all', ['no command host']],
  ])('judges %s correctly', (call, found) => {
    expect(misuse(call.split(' '))).toEqual(found);
  });
});
