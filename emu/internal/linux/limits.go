package linux

// Limit is something of which a process may take only so much. On Linux it would go on:
// there such things are bounded by the machine, the disk behind its output, or by more.
type Limit int

// The limits.
const (
	OutputLimit  Limit = iota + 1 // bytes written to standard output and error, and in how many pieces
	MappingLimit                  // mappings, of which Linux has some 65,000 by default
	FileLimit                     // what the process has written to files, and of names and files that it has made
)

// How much there is of each: who takes the last one has come to the limit.
const (
	MaxOutput   = 16 << 20
	MaxWrites   = 1 << 16
	MaxMappings = 1 << 13
	// MaxFilePages are those of all files, each of 4 KiB, that do not hold what the sysroot
	// has: 256 MiB. MaxFiles are names, and files and folders made or changed.
	MaxFilePages = 1 << 16
	MaxFiles     = 1 << 16
)

// exceeds ends the process at a limit, once the call is through.
func (r *Result) exceeds(l Limit) { r.Effect, r.Limit = Exceeds, l }
