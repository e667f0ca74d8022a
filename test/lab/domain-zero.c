/*
 * Preloaded into xl when it plays domain 0: the three questions that libxl asks the hypervisor and cannot do without,
 * answered as a quiet host would. (As domain 5, a driver domain, it does not ask.) The return types are those of
 * libxl.h; what they point to is left as libxl initialised it.
 */
int libxl_domain_info(void *ctx, void *info, unsigned domid)
{
    (void)ctx, (void)info, (void)domid;
    return 0;
}

int libxl_get_physinfo(void *ctx, void *physinfo)
{
    (void)ctx, (void)physinfo;
    return 0;
}

int libxl_get_max_cpus(void *ctx)
{
    (void)ctx;
    return 1;
}
