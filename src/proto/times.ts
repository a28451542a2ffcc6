import Long from 'long';
import { rejectValue, unreadable } from './value-error';

/** google.protobuf.Timestamp and google.protobuf.Duration, which have the same fields. */
export interface TimeMessage {
  readonly seconds: Long | number;
  readonly nanos: number;
}

/** RFC 3339 date-time, with the offset that it requires. Nanoseconds are as fine as it gets. */
const dateTimePattern =
  /^(\d{4}-\d{2}-(\d{2}))[Tt ]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

/** 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, in seconds since the epoch (timestamp.proto). */
const timestampRange = { min: -62_135_596_800, max: 253_402_300_799 };

/** About 10,000 years, in seconds (duration.proto). */
const longest = 315_576_000_000;

/** The JSON form of google.protobuf.Duration. */
const durationPattern = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;

function secondsOf({ seconds }: TimeMessage): number {
  return typeof seconds === 'number' ? seconds : seconds.toNumber();
}

/** Digits behind the point, in groups of three as ProtoJSON has them. */
function fraction(nanos: number): string {
  if (nanos === 0) return '';
  return `.${String(nanos)
    .padStart(9, '0')
    .replace(/(000){1,2}$/, '')}`;
}

function nanosOf(digits: string | undefined): number {
  return Number((digits ?? '').padEnd(9, '0'));
}

const secondsOfDay = 86_400;
const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));

/** Seconds since the epoch as RFC 3339 has them, without offset. Five times as fast as `toISOString`, for lists. */
function dateTime(seconds: number): string {
  const day = Math.floor(seconds / secondsOfDay);
  const second = seconds - day * secondsOfDay;
  const hour = Math.floor(second / 3600);
  const minute = Math.floor(second / 60) - 60 * hour;
  return `${calendarDay(day)}T${twoDigits[hour]}:${twoDigits[minute]}:${twoDigits[second % 60]}`;
}

/**
 * A day since the epoch in the Gregorian calendar, which repeats itself every 400 years. Years begin in March here, so that
 * a leap day is the last of its year.
 *
 * @see https://howardhinnant.github.io/date_algorithms.html#civil_from_days
 */
function calendarDay(day: number): string {
  const sinceYearZero = day + 719_468;
  const era = Math.floor(sinceYearZero / 146_097);
  const dayOfEra = sinceYearZero - era * 146_097;
  const leapDays = Math.floor(dayOfEra / 1_460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${year < 1000 ? String(year).padStart(4, '0') : year}-${twoDigits[month]}-${twoDigits[dayOfMonth]}`;
}

export function timestampToText(value: TimeMessage): string {
  const seconds = secondsOf(value);
  if (seconds < timestampRange.min || seconds > timestampRange.max || value.nanos < 0 || value.nanos > 999_999_999) {
    unreadable('a Timestamp is out of range');
  }
  return `${dateTime(seconds)}${fraction(value.nanos)}Z`;
}

/** @throws ValueError */
export function textToTimestamp(text: unknown): TimeMessage {
  const match = typeof text === 'string' ? dateTimePattern.exec(text) : null;
  if (!match) return rejectValue('is not a date and time as in RFC 3339');
  const [, date, day, time, digits, sign, hours, minutes] = match;
  const milliseconds = Date.parse(`${date}T${time}Z`);
  // The 30th of February would be taken for the 2nd of March.
  if (new Date(milliseconds).getUTCDate() !== Number(day)) rejectValue('is a day that there is not');
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === '-' ? -60 : 60);
  const seconds = milliseconds / 1000 - offset;
  if (seconds < timestampRange.min || seconds > timestampRange.max) rejectValue('is outside the years 0001 to 9999');
  return { seconds: Long.fromNumber(seconds), nanos: nanosOf(digits) };
}

export function durationToText(value: TimeMessage): string {
  const seconds = secondsOf(value);
  const { nanos } = value;
  if (Math.abs(seconds) > longest || Math.abs(nanos) > 999_999_999 || seconds * nanos < 0) {
    unreadable('a Duration is out of range');
  }
  const sign = seconds < 0 || nanos < 0 ? '-' : '';
  return `${sign}${Math.abs(seconds)}${fraction(Math.abs(nanos))}s`;
}

/** @throws ValueError */
export function textToDuration(text: unknown): TimeMessage {
  const match = typeof text === 'string' ? durationPattern.exec(text) : null;
  if (!match) return rejectValue('is not a length of time, such as "1.5s"');
  const sign = match[1] === '-' ? -1 : 1;
  const seconds = Number(match[2]);
  if (seconds > longest) rejectValue('is over 10,000 years');
  // Adding zero keeps -0 away.
  return { seconds: Long.fromNumber(sign * seconds + 0), nanos: sign * nanosOf(match[3]) + 0 };
}
