// Runs in the lab: a program that listens on a socket, and whoever is at the other end of a port of the virtio console.
//
//     relay PORT SOCKET PROGRAM ARGUMENTS…
//
// SOCKET is a path, or the number of a TCP port. When the other end connects to PORT, so do we to SOCKET; when it leaves, so do we. Ends with the
// program, and with its status.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAP_MS = 10, CHUNK = 4096 };

static void fail(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(125);
}

static pid_t start(char **argv)
{
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[0], argv);
        fail(argv[0]);
    }
    return child;
}

// Leaves if the program has ended.
static void look_after(pid_t child)
{
    int status;
    if (waitpid(child, &status, WNOHANG) == child)
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int connect_to(const char *name)
{
    struct sockaddr_un path = { .sun_family = AF_UNIX };
    struct sockaddr_in port = { .sin_family = AF_INET, .sin_port = htons(atoi(name)) };
    port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int is_path = name[0] == '/';
    int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    strncpy(path.sun_path, name, sizeof path.sun_path - 1);
    int result = is_path ? connect(fd, (struct sockaddr *)&path, sizeof path)
                         : connect(fd, (struct sockaddr *)&port, sizeof port);
    if (result == 0)
        return fd;
    close(fd);
    return -1;
}

// Hands on what there is. Returns 0 at the end.
static int hand_on(int from, int to)
{
    char bytes[CHUNK];
    ssize_t length = read(from, bytes, sizeof bytes);
    if (length < 0)
        return errno == EAGAIN || errno == EINTR;
    for (ssize_t at = 0; at < length;) {
        ssize_t written = write(to, bytes + at, length - at);
        if (written < 0 && errno == EAGAIN)
            poll(&(struct pollfd){ to, POLLOUT, 0 }, 1, NAP_MS);
        else if (written < 0)
            return 0;
        else
            at += written;
    }
    return length > 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        errno = EINVAL;
        fail("arguments");
    }
    signal(SIGPIPE, SIG_IGN);
    int port = open(argv[1], O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (port < 0)
        fail(argv[1]);
    pid_t child = start(argv + 3);
    for (int connection = -1;;) {
        // A port whose other end nobody is at has hung up.
        struct pollfd wait[2] = { { port, POLLIN, 0 }, { connection, POLLIN, 0 } };
        poll(wait, 2, NAP_MS);
        look_after(child);
        int is_open = !(wait[0].revents & POLLHUP);
        if (connection < 0) {
            if (is_open)
                connection = connect_to(argv[2]);
            if (connection < 0)
                poll(NULL, 0, NAP_MS);
            continue;
        }
        int goes_on = 1;
        if (wait[0].revents & (POLLIN | POLLHUP))
            goes_on = hand_on(port, connection);
        if (goes_on && wait[1].revents)
            goes_on = hand_on(connection, port);
        if (!goes_on) {
            close(connection);
            connection = -1;
        }
    }
}
