// Two threads that take turns.

#include <pthread.h>
#include <stdio.h>

#include "wait.h"

enum { ROUNDS = 3 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long turn;

static void take_turn(long me)
{
    pthread_mutex_lock(&lock);
    while (turn % 2 != me)
        pthread_cond_wait(&changed, &lock);
    turn++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void *work(void *argument)
{
    for (int round = 0; round < ROUNDS; round++)
        take_turn((long)argument);
    return NULL;
}

int main(void)
{
    wait_for_debugger();
    pthread_t threads[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%ld turns\n", turn);
    return 0;
}
