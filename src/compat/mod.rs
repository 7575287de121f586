//! How mosquitto's programs speak: arguments, option files, configuration files, message texts, exit statuses.
