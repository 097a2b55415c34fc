package linux

import "emurace/loader"

func twoWords(a, b uint64) []byte {
	return le.AppendUint64(le.AppendUint64(nil, a), b)
}

// sysGetrandom hands out at most 256 bytes at a time, which Linux promises at least.
func sysGetrandom(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.give(r, c.Args[0], k.randomBytes(r, min(c.Args[1], 256)))
}

func (k *Kernel) randomBytes(r *Result, n uint64) []byte {
	var b []byte
	for uint64(len(b)) < n {
		b = append(b, k.random(r).block()...)
	}
	return b[:n]
}

// sysUname fills struct new_utsname: six fields of 65 bytes.
func sysUname(k *Kernel, c *Call, r *Result) (uint64, error) {
	b := make([]byte, 6*65)
	machine := "aarch64"
	if k.Arch == loader.AMD64 {
		machine = "x86_64"
	}
	for i, s := range []string{"Linux", "emurace", "6.1.0", "#1 emurace", machine, "(none)"} {
		copy(b[65*i:], s)
	}
	return k.put(r, c.Args[0], b)
}

// sysPrlimit64 shows an 8 MiB stack and no other limit, and refuses changes, of which
// Linux has most.
func sysPrlimit64(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[2] != 0 {
		r.Missing = "prlimit64 with a new limit"
		return fail(EPERM)
	}
	return k.rlimit(r, c.Args[1], c.Args[3])
}

func sysGetrlimit(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.rlimit(r, c.Args[0], c.Args[1])
}

func (k *Kernel) rlimit(r *Result, resource, buf uint64) (uint64, error) {
	const stack, count, infinity = 3, 16, ^uint64(0)
	if resource >= count {
		return fail(EINVAL)
	}
	if buf == 0 {
		return 0, nil
	}
	soft := infinity
	if resource == stack {
		soft = 8 << 20
	}
	return k.put(r, buf, twoWords(soft, infinity))
}

// sysSysinfo fills struct sysinfo of include/uapi/linux/sysinfo.h: one GiB of
// memory, half of it free.
func sysSysinfo(k *Kernel, c *Call, r *Result) (uint64, error) {
	b := make([]byte, 112)
	le.PutUint64(b, k.clock(r).read(false)/second)
	le.PutUint64(b[32:], 1<<30)
	le.PutUint64(b[40:], 1<<29)
	le.PutUint16(b[80:], 1)
	le.PutUint32(b[104:], 1)
	return k.put(r, c.Args[0], b)
}

func sysOK(*Kernel, *Call, *Result) (uint64, error) { return 0, nil }
