/* What no supervisor can beat: vfork, exec, a pidfd for each, one epoll; commands on standard input.
   `start`, `restart`, `stop`, one per line; what ends by itself is begun again at once. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct { pid_t pid; int fd; } unit[4096];
static int units, wanted, poller;
static char **words;

static void begin(int i) {
    char name[32];
    char *argv[] = {words[1], words[2], name, 0};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)i};
    snprintf(name, sizeof name, "w%d", i);
    unit[i].pid = vfork();
    if (unit[i].pid == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    unit[i].fd = (int)syscall(SYS_pidfd_open, unit[i].pid, 0);
    epoll_ctl(poller, EPOLL_CTL_ADD, unit[i].fd, &event);
}

static void ended(int i) {
    waitpid(unit[i].pid, 0, 0);
    /* A child that executes at this moment may still have a copy, and closing ours would leave it watched. */
    epoll_ctl(poller, EPOLL_CTL_DEL, unit[i].fd, 0);
    close(unit[i].fd);
    unit[i].pid = 0;
    if (wanted) begin(i);
}

static void command(const char *line) {
    wanted = strncmp(line, "stop", 4) != 0;
    for (int i = 0; i < units; i++) {
        if (unit[i].pid) kill(unit[i].pid, SIGTERM);
        else if (wanted) begin(i);
    }
}

int main(int argc, char **argv) {
    struct epoll_event events[256], input = {.events = EPOLLIN, .data.u32 = 4096};
    char line[64];
    if (argc < 4) return 2;
    words = argv;
    units = atoi(argv[3]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &input);
    for (;;) {
        int count = epoll_wait(poller, events, 256, -1);
        for (int e = 0; e < count; e++) {
            if (events[e].data.u32 < 4096) {
                ended((int)events[e].data.u32);
            } else {
                ssize_t length = read(0, line, sizeof line - 1);
                if (length <= 0) return 0;
                line[length] = 0;
                command(line);
            }
        }
    }
}
