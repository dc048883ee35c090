//! Starts a process without copying ours: clone3(2) with CLONE_VM and CLONE_VFORK, as posix_spawn(3) has it.
//!
//! fork copies the page tables of the supervisor, which grows with its services; here the new process borrows
//! the memory until it executes its program, while the calling thread waits. It is born in its cgroup
//! (CLONE_INTO_CGROUP, Linux 5.7), since moving it there later takes a grace period of the kernel's, with its
//! signal handlers reset (CLONE_CLEAR_SIGHAND, 5.5), so that none of ours runs in it, and held by a pidfd from
//! the first moment on. Nor are our descriptors copied, only for exec to close thousands of them one by one: the
//! new process begins with our table (CLONE_FILES), and takes the low end of it for its own
//! (close_range with CLOSE_RANGE_UNSHARE, 5.9) before it changes anything. Where the kernel, or a filter of
//! system calls, has none of this, the caller forks.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};
use rustix::io::{DupFlags, Errno, dup3};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::stage::{Stage, Steps};

/// What a new process executes, prepared: nothing is allocated after the clone.
pub(super) struct Program {
    file: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Program {
    /// `args` begins with the name that the program is called by.
    ///
    /// # Errors
    /// There is a NUL in one of them.
    pub(super) fn new(file: &[u8], args: Vec<Vec<u8>>, env: Vec<Vec<u8>>) -> io::Result<Self> {
        let all = |words: Vec<Vec<u8>>| words.into_iter().map(CString::new).collect::<Result<_, _>>();
        Ok(Self {
            file: CString::new(file)?,
            args: all(args)?,
            env: all(env)?,
        })
    }
}

/// A process that executes its program.
pub(super) struct Born {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    /// It is in the cgroup that was asked for.
    pub(super) in_cgroup: bool,
}

/// Why there is none.
pub(super) enum Stillborn {
    /// Not this way, on this kernel.
    Unsupported,
    /// This step of it failed; none: there is no new process at all.
    At(Option<Stage>, Errno),
}

/// What both processes see of one start.
struct Attempt<'a> {
    steps: &'a Steps,
    file: *const libc::c_char,
    args: *const *const libc::c_char,
    env: *const *const libc::c_char,
    stdio: [RawFd; 3],
    /// The first descriptor that the new process has no use for.
    beyond: u32,
    failed: Option<(Stage, Errno)>,
}

/// `struct clone_args` of linux/sched.h as of 5.7 (CLONE_ARGS_SIZE_VER2).
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// linux/close_range.h.
const CLOSE_RANGE_UNSHARE: libc::c_uint = 2;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const FLAGS: u64 =
    (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::CLONE_PIDFD) as u64 | CLONE_CLEAR_SIGHAND;

/// Starts it, and returns once it executes its program or could not.
pub(super) fn spawn(
    program: &Program,
    steps: &Steps,
    output: [&OwnedFd; 2],
    cgroup: Option<&OwnedFd>,
) -> Result<Born, Stillborn> {
    let none = |error: io::Error| {
        let number = error.raw_os_error().unwrap_or(libc::EMFILE);
        Stillborn::At(None, Errno::from_raw_os_error(number))
    };
    let slots = Slots::holding(output).map_err(none)?;
    let own = slots.0.iter().chain(&steps.sockets);
    let highest = own.map(AsRawFd::as_raw_fd).max().unwrap_or(2).max(2);
    let (args, env) = (pointers(&program.args), pointers(&program.env));
    let mut attempt = Attempt {
        steps,
        file: program.file.as_ptr(),
        args: args.as_ptr(),
        env: env.as_ptr(),
        stdio: [
            slots.0[0].as_raw_fd(),
            slots.0[1].as_raw_fd(),
            slots.0[2].as_raw_fd(),
        ],
        beyond: highest.cast_unsigned() + 1,
        failed: None,
    };
    let born = match cgroup {
        // It may be full, or frozen, or of another kind: being in it is never required.
        Some(cgroup) => begin(&mut attempt, Some(cgroup)).or_else(|_| begin(&mut attempt, None)),
        None => begin(&mut attempt, None),
    }?;
    let Some((stage, error)) = attempt.failed else {
        return Ok(born);
    };
    let _ = waitpid(Pid::from_raw(born.pid), WaitOptions::empty());
    match (stage, error) {
        // It could not have a table of its own.
        (Stage::Session, Errno::NOSYS | Errno::INVAL) => Err(Stillborn::Unsupported),
        (stage, error) => Err(Stillborn::At(Some(stage), error)),
    }
}

/// Descriptors with low numbers, taken before there are many: nothing, and the two that a new process writes to.
/// Between two starts they hold nothing.
struct Slots(MutexGuard<'static, [OwnedFd; 3]>);

impl Slots {
    fn holding([stdout, stderr]: [&OwnedFd; 2]) -> io::Result<Self> {
        static SLOTS: OnceLock<Mutex<[OwnedFd; 3]>> = OnceLock::new();
        let slots = match SLOTS.get() {
            Some(slots) => slots,
            None => {
                let null = || File::open("/dev/null").map(OwnedFd::from);
                let made = [null()?, null()?, null()?];
                SLOTS.get_or_init(|| Mutex::new(made))
            }
        };
        let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
        dup3(stdout, &mut slots[1], DupFlags::CLOEXEC)?;
        dup3(stderr, &mut slots[2], DupFlags::CLOEXEC)?;
        Ok(Self(slots))
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        let [null, stdout, stderr] = &mut *self.0;
        for slot in [stdout, stderr] {
            let _ = dup3(&*null, slot, DupFlags::CLOEXEC);
        }
    }
}

/// The words, and the null that ends them.
fn pointers(words: &[CString]) -> Vec<*const libc::c_char> {
    let words = words.iter().map(|word| word.as_ptr());
    words.chain([std::ptr::null()]).collect()
}

fn begin(attempt: &mut Attempt<'_>, cgroup: Option<&OwnedFd>) -> Result<Born, Stillborn> {
    let mut pidfd: RawFd = -1;
    let mut asked = CloneArgs {
        flags: FLAGS,
        pidfd: (&raw mut pidfd).addr() as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        asked.flags |= CLONE_INTO_CGROUP;
        asked.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // SAFETY: the new process runs `child` on this very stack, below everything that is in use, and never
    // returns; until it has executed its program or is gone, this thread stands still (CLONE_VFORK).
    let pid = unsafe { clone(&asked, attempt, child) };
    match i32::try_from(pid) {
        Ok(pid @ 1..) => Ok(Born {
            pid,
            // SAFETY: the kernel has just made this descriptor, for us alone (CLONE_PIDFD).
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
            in_cgroup: cgroup.is_some(),
        }),
        Ok(error) => Err(refused(Errno::from_raw_os_error(-error))),
        Err(_) => Err(Stillborn::Unsupported),
    }
}

fn refused(error: Errno) -> Stillborn {
    match error {
        Errno::AGAIN | Errno::NOMEM => Stillborn::At(None, error),
        // An older kernel, a filter, a cgroup that cannot be entered so.
        _ => Stillborn::Unsupported,
    }
}

/// What the new process does: every step, then its program.
extern "C" fn child(attempt: *mut Attempt<'_>) -> ! {
    // SAFETY: the thread that made it stands still; nobody else knows of it.
    let attempt = unsafe { &mut *attempt };
    let failed = prepare(attempt).err().unwrap_or_else(|| {
        // SAFETY: arrays of strings that end with null, which outlive the call.
        unsafe { libc::execvpe(attempt.file, attempt.args, attempt.env) };
        let error = io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOEXEC);
        (Stage::Exec, Errno::from_raw_os_error(error))
    });
    attempt.failed = Some(failed);
    // SAFETY: ends this process alone, and runs nothing at its exit.
    unsafe { libc::_exit(127) }
}

fn prepare(attempt: &Attempt<'_>) -> Result<(), (Stage, Errno)> {
    let at = |error: nix::Error| (Stage::Signals, Errno::from_raw_os_error(error as i32));
    // SAFETY: with UNSHARE, what is closed is closed in a table that this process has for its own from here on.
    if unsafe {
        libc::syscall(
            libc::SYS_close_range,
            attempt.beyond,
            u32::MAX,
            CLOSE_RANGE_UNSHARE,
        )
    } < 0
    {
        let error = io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOSYS);
        return Err((Stage::Session, Errno::from_raw_os_error(error)));
    }
    for (from, to) in attempt.stdio.into_iter().zip(0..) {
        // SAFETY: in this process's own table, 0, 1 and 2 are what it inherited, and nobody's.
        if unsafe { libc::dup2(from, to) } < 0 {
            return Err((Stage::Sockets, Errno::BADF));
        }
    }
    // Rust's own runtime ignores it, and exec would keep that.
    // SAFETY: SIG_DFL installs no handler.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.map_err(at)?;
    attempt.steps.take_each()
}

/// clone3(2), of which the C library has no wrapper; what it returns in the old process.
#[cfg(target_arch = "x86_64")]
unsafe fn clone(
    asked: &CloneArgs,
    attempt: *mut Attempt<'_>,
    child: extern "C" fn(*mut Attempt<'_>) -> !,
) -> isize {
    let result: isize;
    // SAFETY: the caller's; a call into the kernel keeps all registers but rax, rcx and r11.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov rdi, r12",
            "and rsp, -16",
            "call r13",
            "ud2",
            "2:",
            in("rdi") std::ptr::from_ref(asked),
            in("rsi") size_of::<CloneArgs>(),
            in("r12") attempt,
            in("r13") child,
            inlateout("rax") libc::SYS_clone3 as isize => result,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// The same.
#[cfg(target_arch = "aarch64")]
unsafe fn clone(
    asked: &CloneArgs,
    attempt: *mut Attempt<'_>,
    child: extern "C" fn(*mut Attempt<'_>) -> !,
) -> isize {
    let result: isize;
    // SAFETY: the caller's; a call into the kernel keeps all registers but x0.
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            inlateout("x0") std::ptr::from_ref(asked) => result,
            in("x1") size_of::<CloneArgs>(),
            in("x8") libc::SYS_clone3,
            in("x20") attempt,
            in("x21") child,
        );
    }
    result
}

/// Nobody has tried it on other machines.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn clone(_: &CloneArgs, _: *mut Attempt<'_>, _: extern "C" fn(*mut Attempt<'_>) -> !) -> isize {
    -(libc::ENOSYS as isize)
}
