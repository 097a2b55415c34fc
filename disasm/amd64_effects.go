package disasm

import "strings"

// effect says what an amd64 instruction does with its explicit operands and
// which registers it uses besides. Each letter of args stands for an operand:
//
//	r read
//	w written as a whole
//	x read and written
//	m written in part when it is a register, as a whole when it is memory
//	a only its address is computed
//	- neither
//
// Operands without a letter are read. Immediates need none.
type effect struct {
	args    string
	in, out []string
}

// effectRow is a line of the tables below: mnemonics, operands, registers
// read and written implicitly.
type effectRow struct{ names, args, in, out string }

const amd64Conditions = "o no b ae e ne be a s ns p np l ge le g"

// Where a row depends on the operands (mul, push, string instructions and the
// like), amd64_operands.go adds to it.
var amd64Effects = effectTable(
	effectRow{"mov movzx movsx movsxd movbe movnti", "wr", "", ""},
	effectRow{"lea", "wa", "", ""},
	effectRow{"nop endbr64 endbr32 pause hlt ud1 ud2 int int3 ud0 prefetcht0 prefetcht1 prefetcht2 prefetchnta prefetchw clflush", "---", "", ""},
	effectRow{"lfence mfence sfence emms vzeroupper vzeroall fwait xend xabort", "---", "", ""},

	effectRow{"add sub and or xor shl shr sar rol ror shld shrd bts btr btc", "xr", "", "eflags"},
	effectRow{"adc sbb rcl rcr", "xr", "eflags", "eflags"},
	effectRow{"inc dec neg", "x", "", "eflags"},
	effectRow{"not bswap", "x", "", ""},
	effectRow{"cmp test bt", "rr", "", "eflags"},
	effectRow{"bsf bsr", "xr", "", "eflags"}, // a source of zero leaves the result alone
	effectRow{"popcnt lzcnt tzcnt andn blsr blsi blsmsk bextr bzhi", "wr", "", "eflags"},
	effectRow{"pdep pext sarx shlx shrx rorx crc32q", "wr", "", ""},
	effectRow{"crc32", "xr", "", ""},
	effectRow{"mulx", "wwr", "rdx", ""},
	effectRow{"mul", "r", "rax", "rax rdx eflags"},
	effectRow{"imul", "xr", "", "eflags"},
	effectRow{"div idiv", "r", "rax rdx", "rax rdx eflags"},
	effectRow{"cwd cdq cqo", "", "rax", "rdx"},
	effectRow{"cbw cwde cdqe", "", "rax", ""},
	effectRow{"xchg", "xx", "", ""},
	effectRow{"xadd", "xx", "", "eflags"},
	effectRow{"cmpxchg", "xr", "rax", "rax eflags"},
	effectRow{"cmpxchg8b cmpxchg16b", "x", "rax rdx rbx rcx", "rax rdx eflags"},
	effectRow{conditional("cmov"), "xr", "eflags", ""},
	effectRow{conditional("set"), "w", "eflags", ""},
	effectRow{conditional("j"), "-", "eflags", ""},
	effectRow{"jrcxz jecxz", "-", "rcx", ""},
	effectRow{"loop", "-", "rcx", "rcx"},
	effectRow{"loope loopne", "-", "rcx eflags", "rcx"},
	effectRow{"jmp", "r", "", ""},

	effectRow{"push", "r", "rsp", "rsp"},
	effectRow{"pop", "w", "rsp", "rsp"},
	effectRow{"pushf", "", "rsp eflags", "rsp"},
	effectRow{"popf", "", "rsp", "rsp eflags"},
	effectRow{"call", "r", "rsp", "rsp"},
	effectRow{"ret retf iret", "-", "rsp", "rsp"},
	effectRow{"leave", "", "rbp", "rsp rbp"},
	effectRow{"enter", "--", "rsp rbp", "rsp rbp"},

	effectRow{"movs", "wr", "rdi rsi eflags", "rdi rsi"},
	effectRow{"cmps", "rr", "rdi rsi eflags", "rdi rsi eflags"},
	effectRow{"stos", "wr", "rdi eflags", "rdi"},
	effectRow{"lods", "wr", "rsi eflags", "rsi"},
	effectRow{"scas", "rr", "rdi eflags", "rdi eflags"},
	effectRow{"xlat", "r", "rax rbx", ""},

	effectRow{"cld std clc stc", "", "", "eflags"},
	effectRow{"sahf", "", "rax", "eflags"},
	effectRow{"in", "wr", "", ""},
	effectRow{"out", "rr", "", ""},
	effectRow{"cmc", "", "eflags", "eflags"},
	effectRow{"lahf", "", "eflags", ""},
	effectRow{"cpuid", "", "rax rcx", "rax rbx rcx rdx"},
	effectRow{"rdtsc", "", "", "rax rdx"},
	effectRow{"rdtscp", "", "", "rax rdx rcx"},
	effectRow{"xgetbv rdpmc", "", "rcx", "rax rdx"},
	effectRow{"xsetbv", "", "rax rcx rdx", ""},
	effectRow{"rdrand rdseed", "w", "", "eflags"},
	effectRow{"xbegin", "-", "", "rax"},
	effectRow{"xtest", "", "", "eflags"},
	effectRow{"rdfsbase", "w", "fs_base", ""},
	effectRow{"rdgsbase", "w", "gs_base", ""},
	effectRow{"wrfsbase", "r", "", "fs_base"},
	effectRow{"wrgsbase", "r", "", "gs_base"},
	// The system call convention of Linux; the processor saves rip and the
	// flags in rcx and r11.
	effectRow{"syscall", "", "rax rdi rsi rdx r10 r8 r9", "rax rcx r11"},

	effectRow{"ldmxcsr fldcw fldenv frstor fxrstor fxrstor64", "r", "", ""},
	effectRow{"stmxcsr fnstcw fnstsw fnstenv fnsave fxsave fxsave64", "w", "", ""},
	effectRow{"xsave xsave64 xsavec xsavec64 xsaveopt xsaveopt64 xsaves xsaves64", "w", "rax rdx", ""},
	effectRow{"xrstor xrstor64 xrstors xrstors64", "r", "rax rdx", ""},

	effectRow{"fld fild fbld", "r", "", "st0"},
	effectRow{"fld1 fldz fldpi fldl2e fldl2t fldlg2 fldln2", "", "", "st0"},
	effectRow{"fst fstp fist fistp fisttp fbstp", "w", "st0", ""},
	effectRow{"fxch", "x", "st0", "st0"},
	effectRow{"fcomi fcomip fucomi fucomip", "rr", "", "eflags"},
	effectRow{"fcom fcomp fucom fucomp ficom ficomp", "rr", "st0", ""},

	effectRow{"movaps movups movapd movupd movdqa movdqu movd movq movntps movntpd movntdq movntdqa movntq lddqu", "wr", "", ""},
	effectRow{"movshdup movsldup movddup pshufd pshufw pshuflw pshufhw pabsb pabsw pabsd", "wr", "", ""},
	effectRow{"pmovmskb movmskps movmskpd pextrb pextrw pextrd pextrq extractps movdq2q movq2dq", "wr", "", ""},
	effectRow{"pmovsxbw pmovsxbd pmovsxbq pmovsxwd pmovsxwq pmovsxdq pmovzxbw pmovzxbd pmovzxbq pmovzxwd pmovzxwq pmovzxdq", "wr", "", ""},
	effectRow{"cvtss2si cvtsd2si cvttss2si cvttsd2si cvtdq2ps cvtdq2pd cvtps2dq cvttps2dq cvtps2pd cvtpd2ps cvtpd2dq cvttpd2dq", "wr", "", ""},
	effectRow{"sqrtps sqrtpd rcpps rsqrtps roundps roundpd aesimc aeskeygenassist phminposuw", "wr", "", ""},
	effectRow{"movss movsd", "mr", "", ""}, // from memory they write the whole register
	effectRow{"movlps movhps movlpd movhpd movhlps movlhps pinsrb pinsrw pinsrd pinsrq insertps", "mr", "", ""},
	effectRow{"sqrtss sqrtsd rcpss rsqrtss roundss roundsd cvtsi2ss cvtsi2sd cvtss2sd cvtsd2ss", "mr", "", ""},
	effectRow{"comiss comisd ucomiss ucomisd ptest", "rr", "", "eflags"},
	effectRow{"pcmpistri vpcmpistri", "rr", "", "rcx eflags"},
	effectRow{"pcmpestri vpcmpestri", "rr", "rax rdx", "rcx eflags"},
	effectRow{"pcmpistrm vpcmpistrm", "rr", "", "xmm0 eflags"},
	effectRow{"pcmpestrm vpcmpestrm", "rr", "rax rdx", "xmm0 eflags"},
	effectRow{"blendvps blendvpd pblendvb", "xr", "xmm0", ""},
	effectRow{"maskmovdqu vmaskmovdqu", "rr", "rdi", ""},

	effectRow{"vcomiss vcomisd vucomiss vucomisd vptest vtestps vtestpd", "rr", "", "eflags"},
	effectRow{"kortestb kortestw kortestd kortestq ktestb ktestw ktestd ktestq", "rr", "", "eflags"},
	effectRow{"kmovb kmovw kmovd kmovq", "wr", "", ""},
)

// conditional lists the mnemonics that stem forms with the conditions.
func conditional(stem string) string {
	return stem + strings.ReplaceAll(amd64Conditions, " ", " "+stem)
}

func effectTable(rows ...effectRow) map[string]effect {
	table := map[string]effect{}
	for _, row := range rows {
		for _, name := range strings.Fields(row.names) {
			table[name] = effect{row.args, strings.Fields(row.in), strings.Fields(row.out)}
		}
	}
	return table
}

// amd64Accumulating are the stems of the AVX instructions that read their
// result too: fused multiply-add, dot products, and two-table permutations.
var amd64Accumulating = []string{
	"vfmadd", "vfmsub", "vfnmadd", "vfnmsub", "vpdp", "vpternlog", "vpermi2", "vpermt2", "vpmadd52", "vgather", "vpgather",
}

// effectAMD64 looks a mnemonic up. What is not in the table follows the rule
// of its family: AVX and mask instructions write the first operand, SSE and
// x87 arithmetic also reads it.
func effectAMD64(name string) effect {
	if e, ok := amd64Effects[name]; ok {
		return e
	}
	switch {
	case name[0] == 'f':
		return effect{args: "xr", in: []string{"st0"}, out: []string{"st0"}}
	case name[0] == 'v':
		for _, stem := range amd64Accumulating {
			if strings.HasPrefix(name, stem) {
				return effect{args: "x"}
			}
		}
		return effect{args: "w"}
	case name[0] == 'k':
		return effect{args: "w"}
	}
	return effect{args: "xr"}
}
