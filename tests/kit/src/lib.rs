

pub mod app;
