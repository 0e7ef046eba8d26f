"""What the main screens have in common: a turn to refresh when the store has changed, keys, a footer."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.screen import Screen

from irltui.dashboard.store import Store

if TYPE_CHECKING:
    from irltui.dashboard.app import Dashboard


class MainScreen(Screen[None]):
    """A screen of its own mode; redrawn at most twice a second and only while it is seen."""

    @property
    def dashboard(self) -> Dashboard:
        """The app."""
        return cast("Dashboard", self.app)

    @property
    def store(self) -> Store:
        """What the dashboard knows."""
        return self.dashboard.store

    AUTO_FOCUS = ""
    _is_composed = False

    def on_mount(self) -> None:
        """From now on there are widgets to draw in."""
        self._is_composed = True

    def redraw(self) -> None:
        """Show the store as it is."""
        if self._is_composed and self.size:
            self.draw()

    def redraw_head(self) -> None:
        """Show of the store as it is what costs little, between two redraws of everything."""
        if self._is_composed and self.size:
            self.draw_head()

    def draw(self) -> None:
        """Tell the widgets what to show."""

    def draw_head(self) -> None:
        """Tell the widgets that cost little what to show."""

    def on_screen_resume(self) -> None:
        """Catch up with what happened meanwhile."""
        self.redraw()

    def on_resize(self) -> None:
        """Fit the new size."""
        self.call_after_refresh(self.redraw)
