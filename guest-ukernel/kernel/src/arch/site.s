    /* Trace points. The instructions between SITE and END_SITE, 5 to 16 bytes that nothing jumps into, may be replaced by a jump to the stub trace_NAME
       of trace.rs, and be executed at its tail. Weak: where this code is only looked at there are no stubs. */
    .ifndef SITES_DEFINED
    .set SITES_DEFINED, 1
    .macro SITE
8:
    .endm
    .macro END_SITE name
9:  .pushsection .data.sites, "aw"
    .weak trace_\name, trace_\name\()_tail
    .quad 8b, 9b, trace_\name, trace_\name\()_tail
    .popsection
    .endm
    .endif
