"""Every error a user can meet, each with the exit code that the command line answers with.

The message is one line that says what is wrong, where, and what to do about it.
"""

from __future__ import annotations


class AscEdgeError(Exception):
    """Base of all errors that asc-edge raises on purpose."""

    exit_code = 1


class UsageError(AscEdgeError):
    """The command or call was used wrongly: nothing was started."""

    exit_code = 2


class ConfigError(UsageError, ValueError):
    """A front end, pipeline or recipe is configured with values that can't work."""


class AudioFormatError(AscEdgeError, ValueError):
    """Samples have the wrong dtype, shape, channel count or sample rate."""


class NonFiniteError(AudioFormatError):
    """Samples hold NaN or infinity."""


class ChannelMapError(UsageError, ValueError):
    """The channel map names a channel that the input does not have."""


class AudioFileError(AscEdgeError):
    """An audio file or stream is missing, empty, truncated or not audio."""


class ResamplerMissingError(AscEdgeError):
    """The input's rate is not the bundle's, and no resampler is installed."""


class DeviceNotFoundError(UsageError):
    """No microphone answers to this index, name or identity."""


class AmbiguousDeviceError(DeviceNotFoundError):
    """More than one microphone answers to this name or identity: no waiting will help."""


class DeviceError(AscEdgeError):
    """A microphone could not be opened, or stopped while it was being read."""


class BundleError(AscEdgeError, ValueError):
    """A bundle is damaged, of an unknown schema, or needs something this runner can't do exactly."""


class EngineError(AscEdgeError):
    """No inference engine for this network is installed, or it refused the network."""


class BenchError(AscEdgeError):
    """Something stopped a measurement, so that there are no figures."""


class WebError(UsageError):
    """The web page can't be served: its address is taken, or what serves it is not installed."""


class MqttMissingError(AscEdgeError):
    """Something is to go to an MQTT broker, and no MQTT client is installed."""


class BrokerError(AscEdgeError):
    """The MQTT broker can't be reached, or refuses."""


class HistoryError(AscEdgeError):
    """The history can't be opened, read or written."""


class ReportError(AscEdgeError):
    """A report can't be drawn."""


class ServiceError(AscEdgeError):
    """The service could not be installed, removed or asked."""


class TeachingError(AscEdgeError):
    """What was taught can't be learnt, or would make the bundle worse."""


class RecordingError(AscEdgeError):
    """Clips can't be recorded, or not be written."""
