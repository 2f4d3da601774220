"""From a bundle to what runs on a stream: front ends, each once, and the members that they feed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from asc_edge.bundle import Bundle, MemberSpec
from asc_edge.engines import Engine, load_engine
from asc_edge.frontend import LogMelConfig
from asc_edge.manifest import MemberInput
from asc_edge.members import ChannelsAs, HeardFrontEnd, Member, needs_samples, silence_front_end
from asc_edge.rings import SampleRing
from asc_edge.streaming import StreamedMember, StreamReport, why_not_cached

__all__ = ["Assembly", "assemble"]


@dataclass(frozen=True)
class Assembly:
    """A bundle's system on a stream.

    Attributes
    ----------
    samples : SampleRing or None
        The last window of samples, where a front end needs them.
    front_ends : dict of LogMelConfig to HeardFrontEnd
    silence : HeardFrontEnd
        The one by whose loudest cell silence is judged: the first, in the members' order, in plain dB of full
        scale. Where there is none, one that no member uses.
    members : tuple of Member
    engines : dict of str to Engine
        All loaded networks by their file in the bundle.
    """

    samples: SampleRing | None
    front_ends: dict[LogMelConfig, HeardFrontEnd]
    silence: HeardFrontEnd
    members: tuple[Member, ...]
    engines: dict[str, Engine]
    _streams: tuple[StreamReport, ...]

    @property
    def full(self) -> bool:
        """Whether a whole window has been heard."""
        return all(front_end.full for front_end in self.front_ends.values())

    @property
    def streams(self) -> tuple[StreamReport, ...]:
        """How each member with a network in two parts is computed, and what that has taken so far."""
        counts = {
            member.spec.name: (member.columns_computed, member.columns_needed)
            for member in self.members
            if isinstance(member, StreamedMember)
        }
        reports = []
        for report in self._streams:
            computed, needed = counts.get(report.member, (0, 0))
            reports.append(replace(report, columns_computed=computed, columns_needed=needed))
        return tuple(reports)

    def clear(self) -> None:
        """Forget everything heard."""
        if self.samples is not None:
            self.samples.clear()
        for front_end in self.front_ends.values():
            front_end.clear()
        for member in self.members:
            member.forget()


def assemble(
    bundle: Bundle,
    *,
    channels: int,
    window_samples: int,
    hop_samples: int,
    threads: int,
    cache: bool,
    channels_as: ChannelsAs = "each",
) -> Assembly:
    """Load a bundle's networks and make the front ends that feed them.

    Raises
    ------
    EngineError
        When a network of the bundle can't be run here.
    """
    inputs: dict[LogMelConfig, set[MemberInput]] = {}
    for spec in bundle.members:
        inputs.setdefault(bundle.front_ends[spec.front_end], set()).add(spec.input)
    # Without full scale 0 dB isn't a full-scale sine, and no room would ever be silent.
    judge = next((config for config in inputs if config.is_plain_db and config.full_scale), None)
    if judge is None:
        judge = silence_front_end(bundle.sample_rate_hz, window_samples)
        inputs[judge] = {"frames"}
    elif inputs[judge] == {"image"}:  # whose frames are computed at decisions alone
        inputs[judge].add("frames")
    kept = any(needs_samples(config, wanted) for config, wanted in inputs.items())
    samples = SampleRing(channels, window_samples) if kept else None
    front_ends = {
        config: HeardFrontEnd(
            config,
            wanted,
            channels=channels,
            window_samples=window_samples,
            samples=samples,
            channels_as=channels_as,
        )
        for config, wanted in inputs.items()
    }
    loader = _Loader(bundle, threads, channels if channels_as == "each" else 1, {})
    members, reports = [], []
    for spec in bundle.members:
        front_end = front_ends[bundle.front_ends[spec.front_end]]
        reason = ""
        if spec.stream is not None:
            reason = why_not_cached(
                spec.stream,
                hop_samples=hop_samples,
                frame_hop_samples=front_end.config.hop_samples,
                window_frames=front_end.frames,
            )
            reason = reason if cache else "the cache is turned off"
            reports.append(StreamReport(spec.name, not reason, reason, 0, 0))
        streamed = spec.stream is not None and not reason
        hop_frames = hop_samples // front_end.config.hop_samples if streamed else 0
        members.append(loader.member(spec, front_end, hop_frames))
    return Assembly(samples, front_ends, front_ends[judge], tuple(members), loader.engines, tuple(reports))


@dataclass(frozen=True)
class _Loader:
    bundle: Bundle
    threads: int
    channels: int
    engines: dict[str, Engine]

    def member(self, spec: MemberSpec, front_end: HeardFrontEnd, hop_frames: int) -> Member:
        """A member; with a network in two parts where decisions are a whole number of frames apart."""
        svm = self.bundle.member_svm(spec)
        outputs = (spec.outputs if svm is None else svm.features,)
        network = self._load(spec.network, front_end.input_shape(spec), outputs)
        if spec.stream is None or not hop_frames:
            return Member(spec, front_end, network, svm, self.bundle.member_colours(spec))
        stream, mels = spec.stream, front_end.config.mels
        trunk = self._load(stream.trunk, (1, mels, stream.chunk_frames), (None, stream.chunk_columns))
        features = trunk.gives[0]
        assert features is not None
        return StreamedMember(
            spec,
            front_end,
            network,
            svm,
            trunk=trunk,
            head=self._load(stream.head, (features, stream.columns), outputs),
            features=features,
            channels=self.channels,
            hop_frames=hop_frames,
        )

    def _load(self, name: str, takes: tuple[int, ...], gives: tuple[int | None, ...]) -> Engine:
        """Members may share a network."""
        if name not in self.engines:
            self.engines[name] = load_engine(
                name,
                self.bundle.read(name),
                self.threads,
                takes=takes,
                gives=gives,
                channels=self.channels,
            )
        return self.engines[name]
