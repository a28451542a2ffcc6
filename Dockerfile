# The image of the gateway. The last stage is what `docker build .` makes; docker-compose.yml runs the development services
# from the stage `dev`.
#
#   docker build -t api-gateway --build-arg VERSION=1.2.3 --build-arg REVISION=$(git rev-parse HEAD) .
ARG NODE_IMAGE=node:24-bookworm-slim

# Everything: compiles the gateway, and runs the development services, which are TypeScript.
FROM ${NODE_IMAGE} AS dev
WORKDIR /app
COPY package.json package-lock.json ./
# No package needs its install script here, so none gets to run one.
RUN npm ci --ignore-scripts --no-audit --no-fund
# .dockerignore lists what this is.
COPY . .
# Files keep the permissions that they have outside, and the user below is another one.
RUN npm run build && chmod -R a+rX dist proto schema src test README.md package.json tsconfig.json
ENV NODE_ENV=development
USER 1000:1000

# The packages that run in production. Types, sources and maps of packages are a third of them and never loaded.
FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && find node_modules -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' \) -delete

FROM ${NODE_IMAGE} AS production
# tini reaps what `kubectl exec` leaves behind and passes signals on, which a process with the id 1 would otherwise miss.
# nc is for `nc -vz HOST PORT` when an upstream cannot be reached. npm and its like have nothing to do at run time, and are
# what scanners find most in images of Node.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends netcat-openbsd tini \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/* \
  && rm -rf /usr/local/lib/node_modules /opt/yarn* \
  && rm -f /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg
WORKDIR /app
# All of it belongs to root and is only read: the root file system may be read-only.
COPY --from=packages /app/node_modules ./node_modules
COPY --from=dev /app/package.json ./
COPY --from=dev /app/proto ./proto
COPY --from=dev /app/schema ./schema
COPY --from=dev /app/dist ./dist

# The heap's limit needs no option: V8 takes half of the container's memory for it, and the other half is enough for what is
# beside it. scripts/image-check.sh looks whether that still holds.
ENV NODE_ENV=production
# The user `node` of the base image, by number: Kubernetes cannot tell of a name that it is not root.
USER 1000:1000
EXPOSE 3000 9090
# For Docker alone; Kubernetes has probes of its own. Each check is a process of some 40 ms, hence not every second.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "require('node:http').get({ host: process.env.ADMIN_HOST || '127.0.0.1', port: process.env.ADMIN_PORT || 9090, path: '/readyz' }, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["/usr/bin/tini", "--"]
# As `npm start` does; the README says what the option is for.
CMD ["node", "--max-semi-space-size=32", "dist/main.js"]

# Last, since they change with every build.
ARG VERSION=unversioned
ARG REVISION=unknown
LABEL org.opencontainers.image.title="api-gateway" \
  org.opencontainers.image.description="GraphQL, REST and browser sign-in in front of gRPC services" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
