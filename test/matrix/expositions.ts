import type { RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';

const textType = 'text/plain; version=0.0.4; charset=utf-8';

/** Of every type, and with what has to be escaped. */
export const text = `# HELP orders_total Orders, "all" of them \\\\ of a shop.
# TYPE orders_total counter
orders_total{shop="a"} 3
orders_total{shop="ü \\"quoted\\" \\\\ and\\nbroken"} 7.5
# HELP queue_depth Depth.
# TYPE queue_depth gauge
queue_depth 4
queue_depth_limit{queue="none"} +Inf
# HELP request_seconds Latency.
# TYPE request_seconds histogram
request_seconds_bucket{le="0.1"} 1
request_seconds_bucket{le="+Inf"} 2
request_seconds_sum 1.25
request_seconds_count 2
# HELP size_bytes Sizes.
# TYPE size_bytes summary
size_bytes{quantile="0.5"} 10
size_bytes_sum 30
size_bytes_count 3
`;

const openMetrics = `# TYPE orders counter
# HELP orders Orders, \\"all\\" of them \\\\ of a shop.
orders_total{shop="a"} 3 # {trace_id="4bf92f35"} 1 1700000000
orders_total{shop="ü \\"quoted\\" \\\\ and\\nbroken"} 7.5
# TYPE request_seconds histogram
# UNIT request_seconds seconds
# HELP request_seconds Latency.
request_seconds_bucket{le="0.1"} 1 # {trace_id="00f067aa"} 0.05 1700000000
request_seconds_bucket{le="+Inf"} 2 # {trace_id="0ba902b7"} 1.2 1700000000
request_seconds_sum 1.25
request_seconds_count 2
# TYPE build info
# HELP build Build.
build_info{version="1.2.3"} 1
# TYPE phase stateset
# HELP phase Phase.
phase{phase="ready"} 1
phase{phase="gone"} 0
# EOF
`;

/** The one name that is none of the old ones, by escaping (prometheus/common's). */
const escaped: Readonly<Record<string, string>> = {
  underscores: 'http_requests_total{',
  dots: 'http_dot_requests__total{',
  values: 'U__http_2e_requests__total{',
  'allow-utf-8': '{"http.requests_total",',
};

/** What is asked for by most of all members of an Accept header; the first of equals. */
const preferred = (accept: string): string => {
  const members = accept
    .split(',')
    .map((member) => ({ member, weight: Number(/;\s*q=([\d.]+)/.exec(member)?.[1] ?? 1) }));
  return members.reduce((best, one) => (one.weight > best.weight ? one : best), { member: '', weight: 0 })
    .member;
};

/** Negotiates format, escaping and coding as Go's client library does. */
export const negotiating: RequestListener = (request, response) => {
  const wanted = preferred(request.headers.accept ?? '');
  const escaping = /escaping=([\w-]+)/.exec(wanted)?.[1] ?? '';
  const name = escaped[escaping];
  const own = name === undefined ? '' : `; escaping=${escaping}`;
  const more = `${name ?? 'http_requests_total{'}code="200"} 1\n`;
  const [type, body] = wanted.includes('application/openmetrics-text')
    ? [
        `application/openmetrics-text; version=1.0.0; charset=utf-8${own}`,
        openMetrics.replace('# EOF', `${more}# EOF`),
      ]
    : wanted.includes('application/vnd.google.protobuf')
      ? [
          `application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited${own}`,
          protobufGauge('queue_depth', { queue: 'first' }, 4),
        ]
      : [
          wanted.includes('version=1.0.0') ? `text/plain; version=1.0.0; charset=utf-8${own}` : textType,
          text + more,
        ];
  send(type, body)(request, response);
};

export const send =
  (type: string, body: string | Uint8Array): RequestListener =>
  (request, response) => {
    const isZipped = /\bgzip\b/.test(String(request.headers['accept-encoding']));
    const sent = isZipped ? gzipSync(body) : Buffer.from(body);
    response.writeHead(200, {
      'Content-Type': type,
      'Content-Length': sent.byteLength,
      ...(isZipped && { 'Content-Encoding': 'gzip' }),
    });
    response.end(sent);
  };

/** A whole number of lines, and as if there had to be more. */
export const cutOff =
  (how: 'length' | 'chunks' | 'neither'): RequestListener =>
  ({ socket }) => {
    const half = text.slice(0, text.indexOf('# HELP request_seconds'));
    const framed = {
      length: `Content-Length: ${text.length}\r\n\r\n${half}`,
      chunks: `Transfer-Encoding: chunked\r\n\r\n${Buffer.byteLength(half).toString(16)}\r\n${half}\r\n`,
      neither: `Connection: close\r\n\r\n${half}`,
    };
    socket.end(`HTTP/1.1 200 OK\r\nContent-Type: ${textType}\r\n${framed[how]}`);
  };

export const labelled = (label: string): string =>
  text.replace(
    /^(\w+)(?:\{(.*)\})? (\S+)$/gm,
    (_line, name: string, labels: string | undefined, value: string) => {
      return `${name}{${label}${labels === undefined ? '' : `,${labels}`}} ${value}`;
    },
  );

export function large(series: number): string {
  const lines = ['# HELP stock Stock.', '# TYPE stock gauge'];
  for (let index = 0; index < series; index += 1)
    lines.push(`stock{shop="${index % 100}",item="i${index}"} ${index}`);
  return `${lines.join('\n')}\n`;
}

/** One family of prometheus/client_model's metrics.proto, behind its length. */
function protobufGauge(name: string, labels: Readonly<Record<string, string>>, value: number): Uint8Array {
  const field = (number: number, content: Uint8Array | string): Buffer => {
    const bytes = Buffer.from(content);
    return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  };
  const double = Buffer.alloc(9);
  double[0] = (1 << 3) | 1;
  double.writeDoubleLE(value, 1);
  const pairs = Object.entries(labels).map(([key, text]) =>
    field(1, Buffer.concat([field(1, key), field(2, text)])),
  );
  const metric = Buffer.concat([...pairs, field(2, double)]);
  const gauge = Buffer.from([3 << 3, 1]);
  const family = Buffer.concat([field(1, name), field(2, 'Depth.'), gauge, field(4, metric)]);
  return Buffer.concat([Buffer.from([family.length]), family]);
}
