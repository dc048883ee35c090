//! The main job: simulator, backend and proxy come up in order, and a client gets trades.
