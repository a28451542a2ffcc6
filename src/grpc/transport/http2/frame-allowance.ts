import { ConnectionError, ErrorCode } from './frames';

/** Frames that may come at once. */
const burst = 10_000;
/** Frames a second, whatever else happens: a server pings, and changes its settings. */
const rate = 1_000;
/** Frames that a call may bring: windows for its request, a ping that measures the connection, informational heads. */
const perCall = 20;
/** Frames that may be under way already when a call is cancelled: 64 KB of its answer, and its end. */
const perReset = 30;
/** Bytes that cost as much as a frame where they are read for nothing. */
const bytesPerFrame = 4_096;

/**
 * How many frames of a server may carry nothing for any call. Such a frame takes a few bytes and a microsecond or more: a
 * server that sends nothing else, by mistake or not, could take most of a processor. Others have such limits too: Envoy's
 * `max_inbound_window_update_frames_per_data_frame_sent` and its like, after CVE-2019-9511 to 9518.
 */
export class FrameAllowance {
  private left = burst;
  private earnedAt = performance.now();

  /**
   * A frame has come.
   *
   * @param size - Bytes that were read for nothing.
   * @throws ConnectionError ENHANCE_YOUR_CALM where there were too many
   */
  spend(size = 0): void {
    this.left -= 1 + Math.floor(size / bytesPerFrame);
    // The clock is asked only when it matters.
    if (this.left >= 0) return;
    const now = performance.now();
    this.left = Math.min(burst, this.left + ((now - this.earnedAt) / 1000) * rate);
    this.earnedAt = now;
    if (this.left < 0) {
      throw new ConnectionError(
        ErrorCode.ENHANCE_YOUR_CALM,
        `the server sends too many frames that carry nothing: more than ${burst} and ${rate} a second`,
      );
    }
  }

  /** A request is sent. */
  earnCall(bodySize: number): void {
    this.earn(perCall + Math.floor(bodySize / 1024));
  }

  /** A request is cancelled. */
  earnReset(): void {
    this.earn(perReset);
  }

  private earn(frames: number): void {
    if (this.left < burst) this.left = Math.min(burst, this.left + frames);
  }
}
