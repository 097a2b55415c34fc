package linux

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"emurace/loader"
)

// What /proc and /sys tell: files whose text is made when they are opened, of the process as it
// is then. A plain kernel has none of them, as it had none at first.

// taskFolder has a folder for each thread.
const taskFolder = "/proc/self/task"

// report is the text of a file, of the thread with a number.
type report func(k *Kernel, r *Result, tid int) string

func constant(text string) report { return func(*Kernel, *Result, int) string { return text } }

// reports are the files, by path. Those of threads are found by the path that the process's has.
var reports = map[string]report{
	"/proc/self/cgroup": constant("0::/\n"), "/proc/self/cmdline": (*Kernel).cmdline, "/proc/self/comm": (*Kernel).commText,
	"/proc/self/environ": (*Kernel).environ, "/proc/self/limits": constant(limitsText), "/proc/self/maps": (*Kernel).maps,
	"/proc/self/mountinfo": constant("1 0 0:1 / / rw - tmpfs tmpfs rw\n"), "/proc/self/mounts": constant("tmpfs / tmpfs rw 0 0\n"),
	"/proc/self/oom_score_adj": constant("0\n"), "/proc/self/stat": (*Kernel).statText, "/proc/self/statm": (*Kernel).statm,
	"/proc/self/status": (*Kernel).status,
	"/proc/cpuinfo":     (*Kernel).cpuinfo, "/proc/filesystems": constant("nodev\ttmpfs\n"), "/proc/loadavg": constant("0.00 0.00 0.00 1/1 1000\n"),
	"/proc/meminfo": constant(meminfoText), "/proc/stat": constant(statText), "/proc/uptime": (*Kernel).uptime,
	"/proc/version":                               constant("Linux version 6.1.0 (emurace) #1 emurace\n"),
	"/proc/sys/kernel/cap_last_cap":               constant("40\n"),
	"/proc/sys/kernel/hostname":                   constant("emurace\n"),
	"/proc/sys/kernel/ngroups_max":                constant("65536\n"),
	"/proc/sys/kernel/osrelease":                  constant("6.1.0\n"),
	"/proc/sys/kernel/ostype":                     constant("Linux\n"),
	"/proc/sys/kernel/pid_max":                    constant("4194304\n"),
	"/proc/sys/kernel/random/boot_id":             constant("00000000-0000-4000-8000-000000000000\n"),
	"/proc/sys/kernel/rtsig-max":                  constant("32\n"),
	"/proc/sys/kernel/threads-max":                constant("8192\n"),
	"/proc/sys/kernel/version":                    constant("#1 emurace\n"),
	"/proc/sys/net/core/somaxconn":                constant("4096\n"),
	"/proc/sys/vm/overcommit_memory":              constant("0\n"),
	"/sys/devices/system/cpu/online":              constant("0-1\n"),
	"/sys/devices/system/cpu/possible":            constant("0-1\n"),
	"/sys/devices/system/cpu/present":             constant("0-1\n"),
	"/sys/kernel/mm/transparent_hugepage/enabled": constant("always madvise [never]\n"),
}

// reportFolders are the folders that these are in.
var reportFolders = foldersOf(reports)

func foldersOf(files map[string]report) map[string]bool {
	list := map[string]bool{taskFolder: true}
	for p := range files {
		for p = path.Dir(p); p != "/"; p = path.Dir(p) {
			list[p] = true
		}
	}
	return list
}

const (
	meminfoText = "MemTotal:        1048576 kB\nMemFree:          524288 kB\nMemAvailable:     524288 kB\nBuffers:               0 kB\n" +
		"Cached:                0 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\nHugepagesize:       2048 kB\n"
	statText   = "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\nctxt 0\nbtime 1600000000\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"
	limitsText = "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max cpu time              unlimited            unlimited            seconds   \n" +
		"Max stack size            8388608              unlimited            bytes     \n" +
		"Max open files            unlimited            unlimited            files     \n"
)

// virtualPath tells whether a path is in /proc or /sys.
func (k *Kernel) virtualPath(p string) bool {
	return path.Dir(p) == "/proc/self" || p == "/proc" || !k.Plain && (strings.HasPrefix(p, "/proc/") || p == "/sys" || strings.HasPrefix(p, "/sys/"))
}

// ofThread is the thread that a path in taskFolder is about, and the path that the process's
// file of that name has: of other paths the process's first thread and the path.
func ofThread(p string) (tid int, same string) {
	rest, ok := strings.CutPrefix(p, taskFolder+"/")
	if !ok {
		return FirstTID, p
	}
	number, rest, _ := strings.Cut(rest, "/")
	tid, err := strconv.Atoi(number)
	if err != nil || tid < FirstTID || strconv.Itoa(tid) != number {
		return 0, ""
	}
	return tid, path.Join("/proc/self", rest)
}

// reportAt is what a path is of these: a file, a folder or nothing.
func (k *Kernel) reportAt(p string) (nodeKind, bool) {
	if k.Plain {
		return 0, false
	}
	_, same := ofThread(p)
	switch {
	case reportFolders[p], same == "/proc/self" && p != same:
		return nodeDir, true
	case reports[same] != nil:
		return nodeFile, true
	}
	return 0, false
}

// reportMode is what a file of these permits: the name of a thread can be written.
func reportMode(p string) uint32 {
	if path.Base(p) == "comm" {
		return 0o644
	}
	return 0o444
}

// openReport opens one of these files.
func (k *Kernel) openReport(r *Result, id, shown string, flags uint64) (uint64, error) {
	tid, same := ofThread(id)
	if flags&oAccmode != oRdonly {
		return k.install(r, FD{Kind: fdComm, Path: path.Join(taskFolder, strconv.Itoa(tid), "comm"), Flags: flags})
	}
	if _, ok := k.descriptors(r).lowest(0); !ok {
		return fail(EMFILE)
	}
	t := k.tree(r)
	n := t.add(inode{kind: nodeFile, mode: 0o444})
	text := reports[same](k, r, tid)
	t.setContent(n.id, func(i *inode) { i.write([]byte(text), 0, nil) })
	return k.install(r, FD{Kind: fdFile, Path: shown, Flags: flags, Node: n.id})
}

// writeComm names the thread that a descriptor is of, as comm_write of fs/proc/base.c.
func (k *Kernel) writeComm(r *Result, f file, addr, size uint64) (uint64, error) {
	tid, _ := ofThread(f.path)
	b, ok := k.read(r, addr, min(size, 15))
	if !ok && size > 0 {
		return fail(EFAULT)
	}
	var name [16]byte
	copy(name[:], b)
	if !k.tasks(r).setNameOf(tid, name) {
		return fail(ESRCH)
	}
	return size, nil
}

func (k *Kernel) commText(r *Result, tid int) string { return k.comm(r, tid) + "\n" }

// comm is a thread's name.
func (k *Kernel) comm(r *Result, tid int) string {
	name := k.tasks(r).nameOf(tid)
	return k.nameText(name)
}

// nameText is a thread's name; that of the program, where it has none.
func (k *Kernel) nameText(name [16]byte) string {
	if name == [16]byte{} && k.Exe != "" {
		base := path.Base(k.Exe)
		return base[:min(len(base), 15)]
	}
	text, _, _ := strings.Cut(string(name[:]), "\x00")
	return text
}

func (k *Kernel) cmdline(*Result, int) string { return terminated(k.Argv) }
func (k *Kernel) environ(*Result, int) string { return terminated(k.Env) }

func terminated(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, "\x00") + "\x00"
}

// maps is as fs/proc/task_mmu.c shows it.
func (k *Kernel) maps(r *Result, _ int) string {
	var b strings.Builder
	for _, v := range k.mappings(r).parts(0, ^uint64(0)) {
		prot := []byte("---p")
		for i, p := range []loader.Prot{loader.ProtRead, loader.ProtWrite, loader.ProtExec} {
			if v.Prot&p != 0 {
				prot[i] = "rwx"[i]
			}
		}
		if v.Shared != sharesNothing {
			prot[3] = 's'
		}
		device, ino := "00:00", uint64(0)
		if v.fromFile() {
			device, ino = "00:01", k.number(v.Node, v.Path)
		}
		line := fmt.Sprintf("%08x-%08x %s %08x %s %d ", v.Start, v.End, prot, v.Offset, device, ino)
		if v.Path != "" {
			line = fmt.Sprintf("%-73s%s", line, v.Path)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// pages is how many pages are mapped.
func (k *Kernel) pages(r *Result) (n uint64) {
	for _, v := range k.mappings(r).parts(0, ^uint64(0)) {
		n += (v.End - v.Start) / loader.PageSize
	}
	return n
}

func (k *Kernel) status(r *Result, tid int) string {
	kib := k.pages(r) * loader.PageSize / 1024
	return fmt.Sprintf("Name:\t%s\nUmask:\t%04o\nState:\tR (running)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n"+
		"Uid:\t%[7]d\t%[7]d\t%[7]d\t%[7]d\nGid:\t%[7]d\t%[7]d\t%[7]d\t%[7]d\nFDSize:\t256\nGroups:\t%[7]d\n"+
		"VmPeak:\t%8[8]d kB\nVmSize:\t%8[8]d kB\nVmLck:\t       0 kB\nVmHWM:\t%8[8]d kB\nVmRSS:\t%8[8]d kB\nThreads:\t%[9]d\n"+
		"Seccomp:\t0\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n",
		k.comm(r, tid), k.tree(r).umask(), FirstTID, tid, parentID, 0, UserID, kib, len(k.tasks(r).numbers()))
}

func (k *Kernel) statm(r *Result, _ int) string {
	n := k.pages(r)
	return fmt.Sprintf("%d %d 0 0 0 %d 0\n", n, n, n)
}

// statText is the line of fs/proc/array.c, do_task_stat, with its 52 fields.
func (k *Kernel) statText(r *Result, tid int) string {
	n := k.pages(r)
	return fmt.Sprintf("%d (%s) R %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 %d 0 100 %d %d 18446744073709551615%s\n",
		tid, k.comm(r, tid), parentID, FirstTID, parentID, len(k.tasks(r).numbers()), n*loader.PageSize, n, strings.Repeat(" 0", 27))
}

func (k *Kernel) uptime(r *Result, _ int) string {
	now := k.clock(r).now()
	return fmt.Sprintf("%d.%02d 0.00\n", now/second, now%second/10_000_000)
}

func (k *Kernel) cpuinfo(*Result, int) string {
	var b strings.Builder
	for n := range 2 {
		if k.Arch == loader.ARM64 {
			fmt.Fprintf(&b, "processor\t: %d\nBogoMIPS\t: 100.00\nFeatures\t: fp asimd crc32 atomics\nCPU implementer\t: 0x41\n"+
				"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd0c\nCPU revision\t: 0\n\n", n)
			continue
		}
		fmt.Fprintf(&b, "processor\t: %d\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 0\nmodel name\t: emurace\nstepping\t: 0\ncpu MHz\t\t: 1000.000\n"+
			"physical id\t: 0\nsiblings\t: 2\ncore id\t\t: %d\ncpu cores\t: 2\nflags\t\t: fpu tsc cx8 cmov mmx fxsr sse sse2\n\n", n, n)
	}
	return b.String()
}
