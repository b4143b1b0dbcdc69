import type { ApiClient } from '../../kubernetes/api-client.js';
import { JsonItems } from '../../kubernetes/reflector/json-items.js';
import { member, stringMember } from '../../kubernetes/json.js';
import type { PodsOfNode } from '../../kubernetes/virtual-cluster.js';
import { MalformedError } from '../../kubernetes/kubernetes-errors.js';
import { tell } from '../../tell.js';
import { TimeSlice } from '../../time-slice.js';
import { inTime } from '../../timer.js';
import { bodyOf, chunkBytes, endOfBody, wholeOrStreamed } from '../body.js';
import { asUpstreamError, UpstreamError } from '../exposition-errors.js';
import { workingMs, type Exposition, type ScrapeRequest } from '../exposition.js';
import { contentTypes } from '../text-format/exposition-format.js';
import { requireNames } from '../relabelling/label-mapping.js';

/** How long an answer's headers may take, and its body may pause (ms). */
const headersMs = 10_000;
const stallMs = 30_000;
/** The part of the scraper's timeout that is reserved for a 504 to reach them (ms). */
const answeringMs = 200;

/** Asked through the API server of the kubelet's cluster, which needs the right to get `nodes/proxy` there. */
export interface KubeletOptions {
  readonly client: Pick<ApiClient, 'send' | 'server'>;
  /** The path of it that the API server has: `/api/v1/nodes/<node>/proxy/metrics`. */
  readonly path: string;
  /** Called with the reason why a scrape failed or is incomplete; not if the scraper went away. */
  readonly onFailure?: (error: UpstreamError) => void;
}

/** A kubelet's metrics, in a text format, as they are. */
export function kubeletExposition(options: KubeletOptions): Exposition {
  return {
    contentType: () => contentTypes.text,
    render: (request) => ask(options, request, request.accept),
  };
}

const json = 'application/json';
/** Of one pod, which is parsed in one go: those with hundreds of containers have less. */
const maxPodBytes = 1024 * 1024;
/** What is shown of a pod, by the kubelet's names (`k8s.io/kubelet/pkg/apis/stats/v1alpha1`). */
const shownOfPod = [
  'startTime',
  'containers',
  'cpu',
  'memory',
  'io',
  'network',
  'volume',
  'ephemeral-storage',
  'process_stats',
  'swap',
];

/**
 * A kubelet's `/stats/summary` of some pods, under other names. Of the node it has the name alone, and of volumes no
 * claim: the host's name of it is not the owner's. Read pod by pod.
 */
export function kubeletSummary(options: KubeletOptions & { node: string; pods: PodsOfNode }): Exposition {
  return {
    contentType: () => json,
    async render(request) {
      requireNames(options.pods);
      const { body } = await ask(options, request, json);
      return wholeOrStreamed(json, summary(options, body), chunkBytes);
    },
  };
}

async function* summary(
  options: Parameters<typeof kubeletSummary>[0],
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, undefined, undefined> {
  const items = new JsonItems(maxPodBytes, 'pods');
  const slice = new TimeSlice();
  let text = `{"node":{"nodeName":${JSON.stringify(options.node)}},"pods":[`;
  let separator = '';
  try {
    for await (const chunk of body) {
      requireNames(options.pods);
      items.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      for (let item = items.next(); item !== undefined; item = items.next()) {
        const shown = shownPod(item, options.pods);
        if (shown !== undefined) {
          text += separator + JSON.stringify(shown);
          separator = ',';
        }
        if (slice.isOver) {
          await slice.rest();
          requireNames(options.pods);
        }
        if (text.length < chunkBytes) continue;
        yield Buffer.from(text);
        text = '';
      }
    }
    if (!items.end().has('pods')) throw new MalformedError('has no pods');
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    const fault = new UpstreamError(`${options.client.server}${options.path}: the summary ${error.message}`);
    tell('kubeletExposition', options.onFailure, fault);
    throw fault;
  }
  yield Buffer.from(`${text}]}\n`);
}

function shownPod(pod: unknown, pods: PodsOfNode): object | undefined {
  const reference = (name: string): string => stringMember(pod, 'podRef', name) ?? '';
  const found = pods.findPod(reference('namespace'), reference('name'));
  // Of a pod that had this name before, nothing is known.
  if (found?.virtual === undefined || found.host.uid !== reference('uid')) return undefined;
  const { namespace, name, uid } = found.virtual;
  const shown = Object.fromEntries(shownOfPod.map((key) => [key, member(pod, key)]));
  const { volume } = shown;
  if (Array.isArray(volume)) {
    shown['volume'] = volume.map((each: object) => ({ ...each, pvcRef: undefined }));
  }
  return { podRef: { name, namespace, uid }, ...shown };
}

async function ask({ client, path, onFailure }: KubeletOptions, request: ScrapeRequest, accept: string) {
  const ending = new AbortController();
  const signals = [ending.signal, ...(request.signal === undefined ? [] : [request.signal])];
  const failed = (cause: unknown): unknown => {
    const error = asUpstreamError(cause);
    if (request.signal?.aborted === true || !(error instanceof UpstreamError)) return error;
    tell('kubeletExposition', onFailure, error);
    return error;
  };
  try {
    const answer = await client.send({
      method: 'GET',
      path,
      accept,
      timeoutMs: Math.min(headersMs, workingMs(request, answeringMs)),
      signal: AbortSignal.any(signals),
    });
    const { status, contentType = '', body } = answer;
    if (status !== 200) throw new UpstreamError(`${client.server}${path}: answered ${status}`);
    return { contentType, body: unlessStalled(body, ending, `${client.server}${path}`, failed) };
  } catch (error) {
    ending.abort();
    throw failed(error);
  }
}

/** Ends an answer whose body pauses for too long, or is not read to its end. */
function unlessStalled(
  body: AsyncIterable<Uint8Array>,
  ending: AbortController,
  address: string,
  failed: (cause: unknown) => unknown,
): AsyncIterableIterator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    try {
      const piece = await inTime(pieces.next(), stallMs);
      if (piece === 'timeout') {
        throw new UpstreamError(`${address}: nothing came for ${stallMs / 1000} s`, 504);
      }
      return piece.done === true ? endOfBody : piece;
    } catch (error) {
      ending.abort();
      throw failed(error);
    }
  };
  return bodyOf(next, async () => {
    ending.abort();
    await pieces.return?.();
  });
}
