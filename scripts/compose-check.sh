#!/usr/bin/env bash
# Looks whether what `docker compose up --wait` has started works together: signs in as a browser does, asks both services
# with the session, and finds the gateway in Prometheus, and Prometheus in Grafana.
set -euo pipefail

gateway=http://localhost:3000
jar="$(mktemp)"
trap 'rm -f "$jar"' EXIT
browser() { curl --silent --show-error --fail-with-body --location --max-time 20 --cookie "$jar" --cookie-jar "$jar" "$@"; }
ask() { browser --header "Origin: $gateway" --header 'X-CSRF: 1' --header 'Content-Type: application/json' "$@"; }

# Says what is looked for, and fails where it does not come within half a minute: Prometheus scrapes every 15 s.
finds() {
  local what="$1" wanted="$2" said='' left
  shift 2
  for left in {15..1}; do
    said="$("$@" 2>&1)" && grep -qE "$wanted" <<<"$said" && echo "ok      $what" && return 0
    [ "$left" -eq 1 ] || sleep 2
  done
  echo "FAILED  $what: $said"
  return 1
}

page="$(browser --output /dev/null --write-out '%{url_effective}' "$gateway/api/v1/auth/dev/login?returnTo=/")"
echo "ok      sign-in leads to ${page%/*}/"
browser --output /dev/null --header 'Accept: text/html' --data-urlencode login=ada.admin@example.com "$page"

finds 'AuthService knows who has signed in' 'ada\.admin@example\.com' \
  ask --data '{"query":"{ me { email } }"}' "$gateway/graphql"
finds 'AIService does too' 'Ada Admin' ask --data '{"query":"who am I"}' "$gateway/api/ai"
finds 'Prometheus scrapes the gateway' '"job":"api-gateway".*,"1"\]' \
  browser 'http://localhost:9091/api/v1/query?query=up'
finds 'Prometheus has the alerts' '"name":"AuthServiceUnreachable"' browser 'http://localhost:9091/api/v1/rules?type=alert'
finds 'Grafana reads from Prometheus' '"status": ?"OK"' \
  browser http://localhost:3001/api/datasources/uid/prometheus/health
finds 'Grafana has the dashboard' '"title": ?"API Gateway"' browser http://localhost:3001/api/dashboards/uid/api-gateway
