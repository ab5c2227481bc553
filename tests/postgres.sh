# A temporary PostgreSQL on a private port, for tests/run and tests/bench to source. Never touches a running server.

postgres_data='' postgres_url='' postgres_version='' postgres_problem='' postgres_user='' postgres_bin_dir=''

postgres_bin() {
    local found
    found=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)
    [[ -z $found ]] && found=$(command -v initdb) && found=$(readlink -f "$found")
    [[ -n $found && -x $(dirname "$found")/postgres ]] && dirname "$found"
}

install_postgres() {
    command -v apt-get >/dev/null && [[ $EUID == 0 ]] || return 1
    # The package would otherwise create and start its own server.
    if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
        mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update && apt-get install -y --no-install-recommends postgresql' >"$1/apt.log" 2>&1 </dev/null
}

# PostgreSQL refuses to run as root, so root switches to another user.
as_postgres() {
    if [[ $EUID != 0 ]]; then
        "$@"
    elif command -v setpriv >/dev/null; then
        setpriv --reuid="$postgres_user" --regid="$(id -g "$postgres_user")" --clear-groups -- "$@"
    else
        runuser -u "$postgres_user" -- "$@"
    fi
}

# start_postgres FOLDER INSTALL: in FOLDER, which the caller removes; INSTALL says whether a missing one may be installed.
# Returns its results in postgres_url and postgres_version, or in postgres_problem.
start_postgres() {
    local work=$1 install=$2 bin port password
    if ! bin=$(postgres_bin); then
        if $install || [[ ${MARKETPLACE_TEST_INSTALL:-} == 1 ]]; then install_postgres "$work"; fi
        bin=$(postgres_bin) || { postgres_problem='no initdb and postgres found, and none could be installed'; return 1; }
    fi
    postgres_user=$(id -un)
    if [[ $EUID == 0 ]]; then
        postgres_user=nobody
        id postgres >/dev/null 2>&1 && postgres_user=postgres
    fi
    local home=$work/postgres
    mkdir -p "$home" && printf '%s' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$home/password"
    password=$(cat "$home/password")
    [[ $EUID == 0 ]] && chown -R "$postgres_user" "$home"
    chmod 700 "$home"
    # A natural-language locale, as in production, so that code which relies on byte order fails.
    local initdb=("$bin/initdb" -D "$home/data" -U postgres --auth=scram-sha-256 --pwfile="$home/password" -E UTF8 --locale=C)
    if ! (cd / && as_postgres "${initdb[@]}" --locale-provider=icu --icu-locale=en-US) >"$work/initdb.log" 2>&1 &&
        ! (cd / && as_postgres "${initdb[@]}") >>"$work/initdb.log" 2>&1; then
        cat "$work/initdb.log"
        postgres_problem='initdb failed'
        return 1
    fi
    local try
    for try in 1 2 3 4 5 6; do
        port=$((20000 + RANDOM % 30000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue # taken
        # Durable as in production: fsync and synchronous_commit stay on.
        if (cd / && as_postgres "$bin/pg_ctl" -D "$home/data" -w -t 60 -l "$home/log" start -o "-c port=$port \
            -c listen_addresses=127.0.0.1 -c unix_socket_directories=$home -c max_connections=400") >"$work/pg_ctl.log" 2>&1; then
            postgres_data=$home/data postgres_bin_dir=$bin
            postgres_url="postgres://postgres:$password@127.0.0.1:$port/postgres"
            postgres_version=$("$bin/postgres" --version | grep -oE '[0-9]+(\.[0-9]+)?' | head -n 1)
            return 0
        fi
    done
    cat "$work/pg_ctl.log" "$home/log" 2>/dev/null
    postgres_problem='it did not start'
    return 1
}

stop_postgres() {
    [[ -n $postgres_data ]] || return 0
    (cd / && as_postgres "$postgres_bin_dir/pg_ctl" -D "$postgres_data" -m immediate -w stop) >/dev/null 2>&1
    postgres_data=''
}
