package target

// Best is the highest grade that an end of a process can come to, and why it is none higher: a process
// of another build has no instruction that is the same, and of a value of which nothing is known none
// can be of the same kind. Modules that the process has not (yet) are no reason.
func Best(want *End, p Process) (g Grade, why string) {
	if want.Kind == deadlock || want.Kind == livelock {
		return bestWaits(want, p)
	}
	place := placed(want.Backtrace, want.failing())
	if len(place) == 0 {
		if value, _ := sameValue(want, want); value {
			return SameValue, "it names no instruction"
		}
		return Function, "it names neither an instruction nor what is said"
	}
	why = unreachable(place[0], want.Arch, p)
	if why == "" {
		return Instruction, ""
	}
	if value, _ := sameValue(want, want); value {
		return SameValue, why
	}
	return Function, why
}

// unreachable is why a frame's instruction is none of a process; "" where it may be.
func unreachable(f Frame, arch string, p Process) string {
	if arch != "" && p.Arch != "" && arch != p.Arch {
		return "it is of " + arch
	}
	if f.Offset == nil && (f.BuildID == "" || f.ModuleOffset == nil) {
		return "it names no instruction"
	}
	if f.BuildID == "" {
		return ""
	}
	other := false
	for _, m := range p.Modules {
		if m.BuildID == f.BuildID {
			return ""
		}
		other = other || f.Module != "" && m.BuildID != "" && stem(m.Name) == stem(f.Module)
	}
	if other {
		return "it is of another build of " + f.Module
	}
	return ""
}

// bestWaits is Best of a deadlock.
func bestWaits(want *End, p Process) (g Grade, why string) {
	if len(want.Waits) == 0 {
		return Function, "it does not say where threads wait"
	}
	g = Instruction
	for i := range want.Waits {
		w := &want.Waits[i]
		best := Instruction
		text := "it does not say where each thread waits"
		if place := placed(w.Backtrace, w.failing()); len(place) > 0 {
			text = unreachable(place[0], want.Arch, p)
		}
		if text != "" {
			best = Function
			if w.What != "" {
				best = SameValue
			}
		}
		if best < g {
			g, why = best, text
		}
	}
	return g, why
}
