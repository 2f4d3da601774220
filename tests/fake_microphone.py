"""A four-channel microphone without a sound card: a pipe that PulseAudio reads and PortAudio finds by ALSA.

What is written into the pipe comes out of a real PortAudio stream, at the pace at which it is written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

NAME = "ascmic"
RATE_HZ = 16000
CHANNELS = 4
_STEP = RATE_HZ // 100

_ALSA_CONFIG = f"""\
</usr/share/alsa/alsa.conf>
pcm.{NAME} {{ type pulse device "{NAME}" hint {{ show on description "four microphones in a pipe" }} }}
ctl.{NAME} {{ type pulse }}
"""


def what_is_missing() -> list[str]:
    """Debian packages that a fake microphone needs and that this machine lacks."""
    wanted = {
        "pulseaudio": shutil.which("pulseaudio"),
        "pulseaudio-utils": shutil.which("pactl"),
        "libasound2-plugins": next(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"), None),
        "libportaudio2": next(Path("/usr/lib").glob("*/libportaudio.so.2"), None),
    }
    return [package for package, found in wanted.items() if not found]


class FakeMicrophone:
    """The sound server and the pipe; :attr:`env` makes a process hear it under :data:`NAME`."""

    def __enter__(self) -> FakeMicrophone:
        self._over = threading.Event()
        self._feeders: list[threading.Thread] = []
        # Not pytest's own temporary folder: a socket's path may not be longer than a hundred characters.
        self._folder = Path(tempfile.mkdtemp(prefix="mic"))
        self._pipe = self._folder / "pipe"
        socket = self._folder / "native"
        (self._folder / "home").mkdir()
        (self._folder / "alsa.conf").write_text(_ALSA_CONFIG)
        own = {
            "HOME": str(self._folder / "home"),
            "XDG_RUNTIME_DIR": str(self._folder),
            "PULSE_RUNTIME_PATH": str(self._folder / "pulse"),
            "ALSA_CONFIG_PATH": str(self._folder / "alsa.conf"),
        }
        server_env = {**os.environ, **own}
        server_env.pop("PULSE_SERVER", None)
        # The order of these positions is the order of the channels; auxiliary positions would stay silent.
        positions = "front-left,front-right,rear-left,rear-right"
        command = [
            *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"),
            "--log-level=error",
            f"--load=module-native-protocol-unix auth-anonymous=1 socket={socket}",
            f"--load=module-pipe-source source_name={NAME} file={self._pipe} format=s16le rate={RATE_HZ} "
            f"channels={CHANNELS} channel_map={positions}",
        ]
        self._server = subprocess.Popen(command, env=server_env, stderr=subprocess.DEVNULL)
        self.env = {**server_env, "PULSE_SERVER": f"unix:{socket}"}
        self._wait_for_server()
        return self

    def _wait_for_server(self) -> None:
        for _ in range(100):
            ready = (
                self._pipe.exists()
                and not subprocess.run(
                    ["pactl", "info"], env=self.env, capture_output=True, check=False
                ).returncode
            )
            if ready:
                return
            time.sleep(0.1)
        self.__exit__(None, None, None)
        raise RuntimeError("the sound server did not come up")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for feeder in self._feeders:
            feeder.join()
        self._server.terminate()
        try:
            self._server.wait(5)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        shutil.rmtree(self._folder)

    def play(self, samples: NDArray[np.int16]) -> threading.Thread:
        """Start to write samples, shape (n, 4), into the pipe at their own pace; join the thread to wait.

        Once nobody listens any more the server stops to read, and the thread stops when the microphone does.
        """
        thread = threading.Thread(target=self._feed, args=(samples,))
        self._feeders.append(thread)
        thread.start()
        return thread

    def _feed(self, samples: NDArray[np.int16]) -> None:
        start = time.monotonic()
        pipe = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
        try:
            for position in range(0, len(samples), _STEP):
                self._write(pipe, samples[position : position + _STEP].astype("<i2").tobytes())
                if self._over.wait(max(0.0, start + (position + _STEP) / RATE_HZ - time.monotonic())):
                    break
        finally:
            os.close(pipe)

    def _write(self, pipe: int, data: bytes) -> None:
        # Less than a pipe's atomic size, so it is written whole or not at all.
        while not self._over.is_set():
            try:
                os.write(pipe, data)
            except BlockingIOError:
                time.sleep(0.01)
            else:
                return
