/* The agent's log: stderr, or a file; when it is full it becomes FILE.1 and a new one begins. One line a message. */
#ifndef TRANCHE_LOG_H
#define TRANCHE_LOG_H

#define LOG_FILE_MAX_BYTES (1024 * 1024)

/* Sends the log to a file; 0 or errno. Without it, stderr. */
int log_to_file(const char *path);
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
