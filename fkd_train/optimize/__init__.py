"""Makes smaller and faster variants of exported files, and keeps those that pay."""
