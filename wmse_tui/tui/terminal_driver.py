"""Textual's driver of a terminal, with an input thread that no byte from the keyboard line ends.

A terminal in Latin-1, a Meta key of eight bits and a mouse report in the old encoding send bytes that are not
UTF-8. Textual decodes them strictly, and the app ends (Textualize/textual#6456, #6668).
"""

from __future__ import annotations

import codecs
from functools import partial

from textual.drivers import linux_driver
from textual.events import Key, Paste
from textual.message import Message

from wmse_tui.tui.ending import hung_up

UNKNOWN = "\N{REPLACEMENT CHARACTER}"


# Each foreign byte becomes one character: sequences that count their characters stay whole.
_decoder = partial(codecs.getincrementaldecoder("utf-8"), errors="replace")


class TerminalDriver(linux_driver.LinuxDriver):
    """Reads keys and mouse; what cannot be understood is passed over."""

    def run_input_thread(self) -> None:
        """Read until the app exits; input that the parser cannot read is dropped."""
        # The name is looked up in that module when the thread begins; there is no other way in.
        vars(linux_driver)["getincrementaldecoder"] = lambda _encoding: _decoder
        while not self.exit_event.is_set():
            try:
                super().run_input_thread()
            except ValueError:
                continue

    def _sigcont_application(self, *arguments: object) -> None:
        """Draw again after a stop; a terminal that hangs up sends SIGCONT too.

        Textual starts the application mode here even where it was never left: a second input thread, which
        does not end with the first and keeps the process alive.
        """
        if hung_up(self.fileno):
            return
        if not self._must_signal_resume:  # SIGSTOP, which cannot be handled
            self.suspend_application_mode()
            self._must_signal_resume = True
        super()._sigcont_application(*arguments)

    def process_message(self, message: Message) -> None:
        """Pass on what was typed, without the characters that could not be decoded."""
        if isinstance(message, Key) and message.character == UNKNOWN:
            return
        if isinstance(message, Paste):
            message.text = message.text.replace(UNKNOWN, "")
        super().process_message(message)
