"""The printed lines of ping: iputils and BusyBox (Linux), macOS, FreeBSD, Windows; English and Japanese.

Line formats are those of iputils ping_common.c and its Japanese catalogue, of the BSD and BusyBox programs, and of
Windows; all were checked on real logs except Windows in Japanese, which follows published examples.
"""

from __future__ import annotations

import codecs
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from contract.recording.times import decimal_ns

Dialect = Literal["iputils", "bsd", "busybox", "windows", ""]

NOT_PRINTED = -1
_SEQ_MODULUS = 1 << 16
_REORDER_SPAN = 1 << 14
"""How far behind the newest packet a 16-bit number may stand: 16,384 packets, 16 s of 1 ms pings, where the latest
answer in real logs came after 11 s. Half the range would take an outage of 9.1 h at 1 s for a step back."""

_STAMP = re.compile(r"\[(\d+\.\d+)\] ")
_REPLY = re.compile(r"\d+ (?:bytes from|バイト応答 送信元) .*?[ :,](?:icmp_|icmp)?(?:seq|req)=(\d+)\b(.*)")
_RTT = re.compile(r".*?(?:time|時間)=(\d+)(?:\.(\d{1,3}))? ?(?:ms|ミリ秒)(.*)")
_NO_RTT = re.compile(r"(?: ident=\d+)? (?:ttl|hlim)=\d+(?: \((?:truncated|切り詰められました)\))?$")
_CORRUPT = re.compile(r"BAD CHECKSUM|チェックサム異常")
_REFUSED = re.compile(r"(?:From|送信元) .*?icmp_seq=(\d+):? (.+)")
_REDIRECT = re.compile(r"Redirect|リダイレクト")
_WAITING = re.compile(r"(?:no answer yet for|Request timeout for) icmp_seq[= ](\d+)|icmp_seq=(\d+) が未応答")
_ICMP_ERROR = re.compile(r"\d+ bytes from .*: .*(?:[Uu]nreachable|[Ee]xceeded|[Pp]rohibited|filtered|Redirect)")
_HEADER = re.compile(r"PING6?[ (].*(?:data bytes|bytes of data|bytes\) |バイトのデータ|データ長)")
_BSD_HEADER = re.compile(r"PING6\(|PING [^\s(]* \(.*: \d+ data bytes$")
_TARGET = re.compile(r"PING ([^\s(]*)|.*--> (\S+)")
_COUNTS = re.compile(
    r"(\d+) packets transmitted, (\d+) (packets )?received(.*)|送信パケット数 (\d+), 受信パケット数 (\d+)(.*)"
)
_COUNTED = {
    "duplicates": re.compile(r"\+?(\d+) (?:duplicates|重複)"),
    "corrupted": re.compile(r"\+?(\d+) (?:corrupted|破損)"),
    "errors": re.compile(r"\+?(\d+) (?:errors|エラー)"),
}
_LOSS = re.compile(r"([\d.]+(?:e[+-]\d+)?)% packet loss|パケット損失 ([\d.]+(?:e[+-]\d+)?)%")
_TOTAL_TIME = re.compile(r"(?:time|時間) (\d+) ?(?:ms|ミリ秒)")
_DELAYS = re.compile(r"(?:rtt|round-trip) \S+ = ([\d.]+)/([\d.]+)/([\d.]+)(?:/([\d.]+))? ?(?:ms|ミリ秒)")
_NOISE = re.compile(
    r"\s*$|PATTERN:|パターン:|WARNING: pinging|警告: ブロードキャスト|--- .* ---$|pipe \d+|"
    r"Vr HL TOS|\s*\d  ?\d  ?[0-9a-f]{2} |\d+/\d+ (?:packets|パケット),|Ping statistics for |.* の ?[Pp]ing 統計|"
    r"Approximate round trip|ラウンド ?トリップの|Control-|\^C"
)

_W_HEADER = re.compile(r"Pinging (\S+)|(\S+)(?: \[\S+\])? ?に ?[Pp]ing を送信しています")
_W_REPLY = re.compile(
    r"(?:Reply from \S+:|\S+ からの応答:) (?:(?:bytes|バイト数|バイト) ?= ?\d+ )?(?:time|時間) ?([=<]) ?(\d+) ?ms"
)
_W_LOST = re.compile(
    r"Request timed out|要求がタイムアウト|(Reply from \S+: |\S+ からの応答: )?"
    r"(?:Destination .*unreachable|TTL expired|General failure|宛先.*到達できません|転送中に TTL|一般エラー)|"
    r"PING: (?:transmit failed|転送に失敗)"
)
_W_COUNTS = re.compile(r"\s*.*?(?:Sent|送信) = (\d+)[,、] ?(?:Received|受信) = (\d+)[,、].*?\((\d+)%")
_W_DELAYS = re.compile(
    r"\s*(?:Minimum|最小) = (\d+)ms[,、] ?(?:Maximum|最大) = (\d+)ms[,、] ?(?:Average|平均) = (\d+)ms"
)

_UNREAD_KEPT = 3
_SNIFF_BYTES = 1 << 20


@dataclass(slots=True)
class Printed:
    """What ping printed at its end; delays in milliseconds and loss in percent, as texts with their printed digits."""

    transmitted: int
    received: int
    duplicates: int = 0
    corrupted: int = 0
    errors: int = 0
    loss_percent: str = ""
    time_ms: int | None = None
    delays_ms: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class PingRun:
    """One run of ping in a log. Arrays hold the answers in the order of their lines; 24 bytes an answer."""

    dialect: Dialect = ""
    target: str = ""
    has_header: bool = False
    printed: Printed | None = None
    seq: array[int] = field(default_factory=lambda: array("q"))
    rtt_us: array[int] = field(default_factory=lambda: array("q"))
    stamp_ns: array[int] = field(default_factory=lambda: array("q"))
    refused: dict[int, str] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=dict)
    """Packets that ping said it waits for, with the line's time stamp (or NOT_PRINTED)."""
    below_resolution: int = 0
    corrupted: int = 0
    errors: int = 0
    unread: int = 0
    unread_lines: list[str] = field(default_factory=list)
    newest: int = 0
    is_cut: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a run has been read."""
        return not (self.has_header or self.printed or self.seq or self.refused or self.waiting or self.errors)

    @property
    def first_seq(self) -> int:
        """Number of the first packet: 1 for iputils, 0 for the others."""
        return 1 if self.dialect == "iputils" else 0

    def unwrap(self, printed_seq: int) -> int:
        """Return the full sequence number of a printed one, which has 16 bits (iputils, BSD)."""
        ahead = (printed_seq - self.newest) % _SEQ_MODULUS
        seq = self.newest + (ahead if ahead < _SEQ_MODULUS - _REORDER_SPAN else ahead - _SEQ_MODULUS)
        if seq < 0 or printed_seq >= _SEQ_MODULUS:  # BusyBox and Windows count on
            seq = printed_seq
        self.newest = max(self.newest, seq)
        return seq

    def answer(self, seq: int, rtt_us: int, stamp_ns: int) -> None:
        """Keep one answer."""
        self.seq.append(seq)
        self.rtt_us.append(rtt_us)
        self.stamp_ns.append(stamp_ns)


def text_lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a log with their line ends; `encoding` empty means found out from its first megabyte."""
    with path.open(encoding=encoding or _encoding(path), errors="replace") as file:
        yield from file


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_SNIFF_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # what PowerShell's ">" writes
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return "cp932"
    return "utf-8-sig"


def parse_runs(lines: Iterator[str]) -> list[PingRun]:
    """Return the runs of ping in a log, in its order; most logs hold one."""
    runs = [PingRun()]
    for text in lines:
        line = text.rstrip("\r\n")
        if (header := _header(line)) is not None:
            if not runs[-1].is_empty:
                runs.append(PingRun())
            runs[-1].dialect, runs[-1].target = header
            runs[-1].has_header = True
            continue
        _read_line(runs[-1], line, is_whole=line != text)
    return [run for run in runs if not run.is_empty]


def _header(line: str) -> tuple[Dialect, str] | None:
    if match := _W_HEADER.match(line):
        return "windows", match[1] or match[2]
    if not _HEADER.match(line):
        return None
    target = _TARGET.match(line)
    name = (target[1] or target[2] or "") if target else ""
    return ("bsd" if _BSD_HEADER.match(line) else "iputils"), name


def _read_line(run: PingRun, line: str, *, is_whole: bool) -> None:
    if run.dialect == "windows":
        known = _windows_line(run, line)
    else:
        stamp = _STAMP.match(line)
        stamp_ns = decimal_ns(stamp[1], "s") if stamp else NOT_PRINTED
        rest = line[stamp.end() :] if stamp else line
        _learn_dialect(run, rest)
        known = _unix_line(run, rest, stamp_ns, is_whole=is_whole) or _unix_summary(run, rest)
    if known or _NOISE.match(line):
        return
    run.is_cut = run.is_cut or not is_whole
    run.unread += 1
    if len(run.unread_lines) < _UNREAD_KEPT:
        # Zeros, which a file system leaves where power went, are not allowed in the database's JSON.
        run.unread_lines.append(line[:200].replace("\0", "\N{REPLACEMENT CHARACTER}"))


def _learn_dialect(run: PingRun, line: str) -> None:
    """BusyBox has the header of BSD; a log without its header shows itself by its first answer."""
    if run.dialect in {"", "bsd"} and (match := _REPLY.match(line)):
        if "icmp_" not in line[: match.start(1)]:
            run.dialect = "busybox"
        elif not run.dialect:
            run.dialect = "iputils"


def _unix_line(run: PingRun, line: str, stamp_ns: int, *, is_whole: bool) -> bool:
    if match := _REPLY.match(line):
        return _unix_reply(run, int(match[1]), match[2], stamp_ns, is_whole=is_whole)
    if match := _WAITING.match(line):
        run.waiting[run.unwrap(int(match[1] or match[2]))] = stamp_ns
    elif match := _REFUSED.match(line):
        if not _REDIRECT.match(match[2]):
            run.refused[run.unwrap(int(match[1]))] = match[2]
            run.errors += 1
    elif _ICMP_ERROR.match(line):  # macOS does not say which packet it was
        run.errors += 1
    else:
        return False
    return True


def _unix_reply(run: PingRun, printed_seq: int, rest: str, stamp_ns: int, *, is_whole: bool) -> bool:
    rtt = _RTT.match(rest)
    if rtt is None and not (is_whole and _NO_RTT.match(rest)):
        return False
    if rtt is not None and _CORRUPT.search(rtt[3]):  # RFC 2681 2.4: counts as not received
        run.corrupted += 1
        return True
    rtt_us = NOT_PRINTED if rtt is None else int(rtt[1]) * 1000 + int((rtt[2] or "").ljust(3, "0"))
    run.answer(run.unwrap(printed_seq), rtt_us, stamp_ns)
    return True


def _unix_summary(run: PingRun, line: str) -> bool:
    if match := _COUNTS.match(line):
        rest = match[4] or match[7] or ""
        run.printed = Printed(int(match[1] or match[5]), int(match[2] or match[6]))
        for name, pattern in _COUNTED.items():
            if found := pattern.search(rest):
                setattr(run.printed, name, int(found[1]))
        if loss := _LOSS.search(rest):
            run.printed.loss_percent = loss[1] or loss[2]
        if total := _TOTAL_TIME.search(rest):
            run.printed.time_ms = int(total[1])
        if not run.dialect:
            run.dialect = "bsd" if match[3] else "iputils"
        return True
    if run.printed is not None and (match := _DELAYS.match(line)):
        names = ("min", "avg", "max", "mdev")
        run.printed.delays_ms = {name: text for name, text in zip(names, match.groups(), strict=True) if text}
        return True
    return False


def _windows_line(run: PingRun, line: str) -> bool:
    """Windows numbers nothing, but waits for each answer before it sends again: the lines are the packets."""
    if match := _W_REPLY.match(line):
        run.answer(run.newest, 0 if match[1] == "<" else int(match[2]) * 1000, NOT_PRINTED)
        run.below_resolution += match[1] == "<"
        run.newest += 1
    elif match := _W_LOST.match(line):
        run.refused[run.newest] = line
        run.errors += match[1] is not None
        run.newest += 1
    elif match := _W_COUNTS.match(line):
        run.printed = Printed(int(match[1]), int(match[2]), loss_percent=match[3])
    elif run.printed is not None and (match := _W_DELAYS.match(line)):
        run.printed.delays_ms = {"min": match[1], "max": match[2], "avg": match[3]}
    else:
        return False
    return True
