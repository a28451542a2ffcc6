/**
 * Development only. Runs the gateway below `npm run start:dev`. The gateway knows nothing of a parent process; here it
 * is told to end where the parent is gone, even if that was killed and could not say so.
 */

/** How long the gateway may take to end without its parent. */
const endLimitMs = 5_000;

const end = () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), endLimitMs).unref();
};

process.once('disconnect', end);
// The listener alone must not keep a gateway running that has closed everything of its own.
process.channel?.unref();
// The parent may be gone already.
if (!process.connected) end();

require('../../src/main');
