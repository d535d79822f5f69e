// Runs in the lab: a program that listens on a socket, and whoever is at the other ends of ports of the virtio console.
//
//     relay PORT[,PORT…] SOCKET PROGRAM ARGUMENTS…
//     relay PORT - PROGRAM ARGUMENTS…
//
// SOCKET is a path, or the number of a TCP port. When the other end connects to the first PORT, so do we to SOCKET; when it leaves, so do we, and it is
// the next one's turn: that somebody has left and come back to the same port is not seen here. Ends with the program, and with its status.
//
// With `-`, PORT is the program's standard input and output, and the program starts when the other end has connected.

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

enum { NAP_MS = 10, CHUNK = 4096, PORTS = 8 };

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

static int status_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Leaves if the program has ended.
static void look_after(pid_t child)
{
    int status;
    if (waitpid(child, &status, WNOHANG) == child)
        exit(status_of(status));
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

// A port whose other end nobody is at has hung up.
static int is_open(int port)
{
    struct pollfd state = { port, POLLIN, 0 };
    poll(&state, 1, 0);
    return !(state.revents & POLLHUP);
}

static int open_port(const char *name)
{
    int port = open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (port < 0)
        fail(name);
    return port;
}

// Becomes the program.
static void join(int port, char **argv)
{
    while (!is_open(port))
        poll(NULL, 0, NAP_MS);
    if (fcntl(port, F_SETFL, 0) < 0 || dup2(port, 0) < 0 || dup2(port, 1) < 0)
        fail("a port");
    execv(argv[0], argv);
    fail(argv[0]);
}

// Joins who comes to `port` to who listens at `socket`, until one of them leaves.
static void serve(int port, const char *socket, pid_t child)
{
    int connection = -1;
    while (connection < 0) {
        look_after(child);
        if (is_open(port))
            connection = connect_to(socket);
        if (connection < 0)
            poll(NULL, 0, NAP_MS);
    }
    for (int goes_on = 1; goes_on;) {
        struct pollfd wait[2] = { { port, POLLIN, 0 }, { connection, POLLIN, 0 } };
        poll(wait, 2, NAP_MS);
        look_after(child);
        if (wait[0].revents & (POLLIN | POLLHUP))
            goes_on = hand_on(port, connection);
        if (goes_on && wait[1].revents)
            goes_on = hand_on(connection, port);
    }
    close(connection);
}

int main(int argc, char **argv)
{
    int ports[PORTS], count = 0;
    for (char *name = argc < 4 ? NULL : strtok(argv[1], ","); name && count < PORTS; name = strtok(NULL, ","))
        ports[count++] = open_port(name);
    if (count == 0) {
        errno = EINVAL;
        fail("arguments");
    }
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(argv[2], "-") == 0)
        join(ports[0], argv + 3);
    pid_t child = start(argv + 3);
    for (int at = 0; at < count; at++)
        serve(ports[at], argv[2], child);
    int status;
    waitpid(child, &status, 0);
    return status_of(status);
}
