/* A plugin for the lab's QEMU: takes apart what a measuring program measures.
 *
 *     -plugin events.so,counts=FILE[,trace=FILE,limit=BYTES]
 *
 * The program says by marks, which are NOPs, where its rounds are; of each the plugin counts the very instructions that the time stamp counter counts between two
 * readings, by their bytes: what they are is for xtask to say. Until the first mark nothing is looked at, and booting takes as long as ever. */
#include "instruction.h"
#include "rounds.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* QEMU asks for this one. */
__attribute__((visibility("default"))) int qemu_plugin_version = QEMU_PLUGIN_VERSION;
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

static qemu_plugin_id_t self;

static void on_every(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	struct instruction *instructions = translate(block);
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
		qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, QEMU_PLUGIN_CB_NO_REGS, &instructions[i]);
		if (is_tracing())
			qemu_plugin_register_vcpu_mem_cb(insn, trace_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
							 &instructions[i]);
	}
}

static void awake(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_every);
}

static void first_mark(unsigned cpu, void *data)
{
	static bool is_awake;
	(void)cpu, (void)data;
	if (!is_awake)
		qemu_plugin_reset(self, awake);
	is_awake = true;
}

static void on_marks(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
		if (mark_of(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn)) != NO_MARK)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, first_mark, QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
}

/* The value of an argument NAME=VALUE. */
static const char *value(int argc, char **argv, const char *name)
{
	size_t length = strlen(name);
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=')
			return argv[i] + length + 1;
	return NULL;
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	const char *counts = value(argc, argv, "counts"), *trace = value(argc, argv, "trace"), *limit = value(argc, argv, "limit");
	(void)info;
	if (!counts || !count_into(counts) || (trace && !trace_into(trace, limit ? strtoull(limit, NULL, 10) : 0))) {
		fputs("events plugin: counts=FILE, and trace=FILE with limit=BYTES: cannot be written\n", stderr);
		return -1;
	}
	self = id;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_marks);
	return 0;
}
