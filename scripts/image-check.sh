#!/usr/bin/env bash
# Runs an image of the gateway as production does (another user than root, root file system read-only, no capabilities, a
# memory limit) and looks whether it holds what is promised of it: starts, answers, keeps its metrics to the admin port,
# stops in time. It has no network, so its upstreams are unreachable, and that it must say properly too.
#
#   scripts/image-check.sh IMAGE
#
# ENGINE names another program than docker, RUN_OPTIONS adds options to its `run`. Every check says ok or FAILED; exit code
# 1 where one has failed.
set -euo pipefail

image="${1:?which image? scripts/image-check.sh IMAGE}"
engine="${ENGINE:-docker}"
read -ra options <<<"${RUN_OPTIONS:-}"
memory_mb=512
failed=0
container=

check() {
  local what="$1"
  shift
  if "$@"; then
    echo "ok      $what"
  else
    echo "FAILED  $what"
    failed=1
  fi
}

end() {
  if [ -n "$container" ]; then
    if [ "$failed" -ne 0 ]; then
      echo '--- log of the gateway'
      "$engine" logs "$container" || true
    fi
    "$engine" rm --force "$container" >/dev/null
  fi
}
trap end EXIT

inside() { "$engine" exec "$container" "$@"; }
refuses() { ! inside "$@" 2>/dev/null; }
inspect() { "$engine" inspect --type image --format "$1" "$image"; }

echo "=== what the image says of itself"
user="$(inspect '{{.Config.User}}')"
check "the user is a number and not root: $user" grep -qE '^[1-9][0-9]*(:[1-9][0-9]*)?$' <<<"$user"
check "it starts by tini: $(inspect '{{json .Config.Entrypoint}}')" grep -q tini <<<"$(inspect '{{json .Config.Entrypoint}}')"
check 'it has a version' [ -n "$(inspect '{{index .Config.Labels "org.opencontainers.image.version"}}')" ]

echo '=== without configuration'
code=0
said="$("$engine" run --rm --network none "${options[@]}" "$image" 2>&1)" || code=$?
check "it does not start: exit code $code" [ "$code" -eq 1 ]
check 'it names what is missing' grep -q 'AUTH_SERVICE_ADDR is not set' <<<"$said"
# Every upstream of the schema has one. Nothing listens on port 1.
addresses=()
while read -r name; do addresses+=(--env "$name=127.0.0.1:1"); done < <(grep -oE '[A-Z0-9_]+_SERVICE_ADDR is not set' <<<"$said" | cut -d ' ' -f 1)

echo '=== as in production'
container="$("$engine" run --detach --network none --read-only --cap-drop ALL --security-opt no-new-privileges \
  --memory "${memory_mb}m" --env PUBLIC_URL=https://app.example.com \
  "${addresses[@]}" "${options[@]}" "$image")"
ready() {
  local left
  for left in {100..1}; do
    if inside node -e "fetch('http://127.0.0.1:9090/readyz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"; then
      return 0
    fi
    [ "$left" -eq 1 ] || sleep 0.2
  done
  return 1
}
check 'it becomes ready' ready
check 'it runs as another user than root' [ "$(inside id -u)" != 0 ]
check 'it has no capabilities and gains none' inside sh -c \
  'grep -q "^CapEff:.0000000000000000$" /proc/1/status && grep -q "^NoNewPrivs:.1$" /proc/1/status'
check 'its root file system is read-only' inside sh -c 'grep -q "^[^ ]* / [^ ]* ro[, ]" /proc/mounts && ! touch /app/x 2>/dev/null'
check 'sh and nc are there: nc -vz 127.0.0.1 3000' inside sh -c 'nc -vz 127.0.0.1 3000'
check 'npm, npx, yarn and corepack are not' refuses sh -c 'command -v npm || command -v npx || command -v yarn || command -v corepack'
check 'neither are sources, tests and development packages' refuses sh -c \
  'ls -d src test node_modules/typescript node_modules/jest node_modules/tsx node_modules/oidc-provider 2>/dev/null | grep .'

check 'it answers; upstreams are unreachable; metrics are for the admin port alone' \
  "$engine" exec --interactive "$container" node - <<'NODE'
const assert = require('node:assert/strict');
const graphql = (query, headers = {}) =>
  fetch('http://127.0.0.1:3000/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  });
async function main() {
  const open = await graphql('{ gateway { name } }');
  assert.deepEqual(await open.json(), { data: { gateway: { name: 'api-gateway' } } });
  const closed = await graphql('{ me { id } }', { authorization: 'Bearer token-of-nobody' });
  assert.equal(closed.status, 503);
  assert.equal((await closed.json()).errors[0].extensions.code, 'AUTH_UNAVAILABLE');
  for (const path of ['/metrics', '/readyz', '/livez']) {
    assert.equal((await fetch(`http://127.0.0.1:3000${path}`)).status, 404, `${path} on the public port`);
    assert.equal((await fetch(`http://127.0.0.1:9090${path}`)).status, 200, `${path} on the admin port`);
  }
  assert.match(await (await fetch('http://127.0.0.1:9090/metrics')).text(), /^http_requests_total\{/m);
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
NODE

heap_mb="$(inside node -p 'Math.round(v8.getHeapStatistics().heap_size_limit / 2 ** 20)')"
heap_fits() { [ "$heap_mb" -ge $((memory_mb * 2 / 5)) ] && [ "$heap_mb" -le $((memory_mb * 7 / 10)) ]; }
check "of $memory_mb MB of memory V8 takes about half for its heap: $heap_mb MB" heap_fits

# As the engine itself would run it: what stands behind `CMD node -e`. Images in the OCI format have none.
health="$(inspect '{{with .Config.Healthcheck}}{{index .Test 3}}{{end}}')"
if [ -n "$health" ]; then
  check 'its HEALTHCHECK finds it healthy' inside node -e "$health"
  unhealthy() { ! "$engine" exec --env ADMIN_PORT=1 "$container" node -e "$health"; }
  check 'its HEALTHCHECK looks at ADMIN_PORT' unhealthy
else
  echo '-       it has no HEALTHCHECK: an image in the OCI format'
fi

begin=$SECONDS
"$engine" stop --time 30 "$container" >/dev/null
took=$((SECONDS - begin))
code="$("$engine" inspect --format '{{.State.ExitCode}}' "$container")"
check "SIGTERM ends it with exit code 0: $code" [ "$code" = 0 ]
# SHUTDOWN_DELAY is 5 s, and nothing is under way.
check "it takes as long as SHUTDOWN_DELAY: $took s" [ "$took" -le 10 ]
check 'it says that nothing was cut off' grep -q '"clean":true' <<<"$("$engine" logs "$container" 2>&1)"

exit "$failed"
