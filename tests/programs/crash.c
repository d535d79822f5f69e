// Faults. What the system makes of a first program that dies is the test.

int main(void)
{
    *(volatile char *)8 = 1;
    return 0;
}
